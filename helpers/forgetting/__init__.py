"""What was lost, and what keeps it?

A network that goes on learning overwrites what it knew: *catastrophic forgetting* (McCloskey & Cohen 1989).
``measures`` says how much was lost. What keeps it is in ``penalties``, which hold the weights, in ``rehearsal``, which
goes on practising the old, and in ``averaging``, which goes back a part of the way.
"""

from helpers.forgetting.averaging import interpolate as interpolate
from helpers.forgetting.measures import AccuracyMatrix as AccuracyMatrix
from helpers.forgetting.measures import harmonic_mean as harmonic_mean
from helpers.forgetting.penalties import EWC as EWC
from helpers.forgetting.penalties import L2SP as L2SP
from helpers.forgetting.penalties import fisher as fisher
from helpers.forgetting.rehearsal import Auxiliary as Auxiliary
from helpers.forgetting.rehearsal import Distillation as Distillation
from helpers.forgetting.rehearsal import StoredAnswers as StoredAnswers
from helpers.forgetting.rehearsal import replay as replay
