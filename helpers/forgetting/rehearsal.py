"""How can the old task be practised while the new one is learned?

With examples that were kept (``replay``), with the old model's answers to new ones (``Distillation``) or to kept ones
(``StoredAnswers``), or with the objective of the pretraining (``Auxiliary``). The last three are losses for
``training.fit(..., loss=remedy)``: the new task's own loss plus ``strength`` times the old one's. Build them *before*
training. Strength 0 is plain fine-tuning, number for number.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from helpers import architecture, renamed, runtime
from helpers.errors import number, with_rows
from helpers.training import Batch, forward

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedModel

Loss = Callable[[nn.Module, Batch], torch.Tensor]


def replay(new: Dataset, old: Dataset, per_class: int, seed: int = 0) -> Dataset:
    """The rows of ``new``, and ``per_class`` random rows of every class that occurs in ``old``.

    Args:
        new, old: rows with the same columns and ``label``, before ``batching.encode``. The class names of ``new`` must
            begin with those of ``old``, so that a number means the same in both.

    Experience replay in its oldest form (Robins 1995): keep a few, mix them in. Raises ``ValueError`` where names or
    columns do not fit, and for a class with fewer rows than asked for.
    """
    from datasets import concatenate_datasets

    number("per_class", per_class, low=0, whole=True)
    number("seed", seed, whole=True)
    for split in (new, old):
        with_rows(split)
    if set(new.column_names) != set(old.column_names) or "label" not in old.column_names:
        raise ValueError(f"Both need the same columns, 'label' among them: {new.column_names}, {old.column_names}.")
    kept, known = (getattr(split.features["label"], "names", None) for split in (old, new))
    if kept != known and (kept is None or known is None or known[: len(kept)] != kept):
        raise ValueError("The class names of the new rows must begin with those of the old, in the same order.")
    if per_class == 0:
        return new
    labels = torch.tensor(old["label"][:])
    generator = torch.Generator().manual_seed(seed)
    picked: list[int] = []
    for label in labels.unique().tolist():
        rows = (labels == label).nonzero().flatten()
        if len(rows) < per_class:
            name = kept[label] if kept else label
            raise ValueError(f"Class {name!r} has {len(rows)} rows to replay, fewer than per_class={per_class}.")
        picked += rows[torch.randperm(len(rows), generator=generator)[:per_class]].tolist()
    return concatenate_datasets([new, old.select(picked).cast(new.features)])


class Distillation:
    """Keep the old answers: ``strength · T² · KL(old ‖ new)`` on the new examples, over the labels the old model has.

    Learning without forgetting (Li & Hoiem 2016) needs no old example: the old model says what it would have answered.
    Both distributions are softened by the temperature T; T² keeps the gradient's size (Hinton et al. 2015, section 2).

    Args:
        teacher: the old model, a classifier; it is copied, so it may be trained in place afterwards. The first outputs
            of the new model must be its labels.
        temperature: T, above 0; 2 in the paper.
    """

    def __init__(self, teacher: PreTrainedModel, strength: float, temperature: float = 2.0) -> None:
        number("temperature", temperature, above=0)
        problem = getattr(getattr(teacher, "config", None), "problem_type", None)
        outputs = getattr(getattr(teacher, "config", None), "num_labels", 2)
        if problem in ("multi_label_classification", "regression") or outputs == 1:
            raise ValueError(
                f"Distillation compares a softmax over classes, and the teacher's labels are no choice among classes "
                f"({problem or 'one output'}): the term would be 0 or mean nothing. Keep old rows instead: replay."
            )
        self.strength, self.temperature = number("strength", strength, low=0), temperature
        self.teacher = copy.deepcopy(teacher).to(runtime.device()).eval().requires_grad_(False)

    def __call__(self, model: nn.Module, batch: Batch) -> torch.Tensor:
        output = forward(model, batch)
        with torch.no_grad():
            old = self.teacher(**{name: tensor for name, tensor in batch.items() if name != "labels"}).logits.float()
        if output.logits.ndim != 2 or output.logits.shape[-1] < old.shape[-1]:
            raise ValueError(
                f"Distillation compares class logits, and the new model must have the teacher's labels first; "
                f"got shapes {tuple(output.logits.shape)} and {tuple(old.shape)}."
            )
        new = output.logits[:, : old.shape[-1]].float()
        wanted, given = (F.log_softmax(logits / self.temperature, dim=-1) for logits in (old, new))
        divergence = F.kl_div(given, wanted, log_target=True, reduction="batchmean")
        return output.loss + self.strength * self.temperature**2 * divergence


class StoredAnswers:
    """Keep the answers of the time: ``strength`` times the squared distance to logits stored with kept rows.

    "Dark experience replay" (Buzzega et al. 2020, DER++; https://arxiv.org/abs/2004.07211). Call :meth:`store`
    when a task has been learned, and train on the new rows and the kept ones together, as :func:`replay` mixes them:
    the labels of both count as usual. Here new and kept rows share a batch; the paper draws the kept ones apart.

    The distance is the mean over a batch's stored logits. Rows are known again by their tokens, so encode them in the
    same way each time.
    """

    def __init__(self, strength: float) -> None:
        self.strength = number("strength", strength, low=0)
        self.stored: dict[tuple[int, ...], torch.Tensor] = {}

    @torch.no_grad()
    def store(self, model: nn.Module, batches: DataLoader) -> None:
        """Keep the logits of ``model`` for each row of ``batches``; a row that has some already keeps those."""
        device, was_training = runtime.device(), model.training
        model.to(device).eval()
        with torch.random.fork_rng():  # iterating draws a number: what follows shall not depend on it
            for batch in batches:
                batch = runtime.to_device(batch, device)
                for row, logits in zip(_rows(batch), forward(model, batch).logits.float(), strict=True):
                    self.stored.setdefault(row, logits)
        model.train(was_training)

    def __call__(self, model: nn.Module, batch: Batch) -> torch.Tensor:
        output = forward(model, batch)
        distances = [
            (logits[: len(stored)].float() - stored).square()
            for row, logits in zip(_rows(batch), output.logits, strict=True)
            if (stored := self.stored.get(row)) is not None
        ]
        return output.loss + self.strength * torch.cat(distances).mean() if distances else output.loss


def _rows(batch: Batch) -> list[tuple[int, ...]]:
    """The tokens of each row, without the padding."""
    masks = batch["attention_mask"].tolist()
    return [
        tuple(number for number, kept in zip(numbers, mask, strict=True) if kept)
        for numbers, mask in zip(batch["input_ids"].tolist(), masks, strict=True)
    ]


def _own_loss(model: nn.Module, batch: Batch) -> torch.Tensor:
    return forward(model, batch).loss


class Auxiliary:
    """Keep doing the old: ``strength`` times another model's loss on its own batches, one batch a step.

    Args:
        model: shares its body with the model that is trained, as in ``masked_lm.bert = classifier.bert``: with a
            pretraining head this mixes in the pretraining objective. Its other parameters are frozen here.
        batches: its batches, with labels; repeated for as long as training lasts.
        loss: computes the auxiliary loss of a batch, such as ``language.masked_loss``; by default the model's own.

    Auxiliary language modelling against forgetting: Chronopoulou et al. 2019.
    """

    @renamed.arguments
    def __init__(self, model: PreTrainedModel, batches: DataLoader, strength: float, loss: Loss = _own_loss) -> None:
        if len(batches) == 0:
            raise ValueError("The auxiliary loss has no batches.")
        self.strength, self.loss = number("strength", strength, low=0), loss
        self.model = model.to(runtime.device())
        self.model.tie_weights()  # a masked-LM head multiplies by the embeddings, and must by those of this body
        inside = {id(parameter) for parameter in architecture.body(model).parameters()}
        for parameter in model.parameters():
            if id(parameter) not in inside:
                parameter.requires_grad_(False)
        self.batches = _forever(batches)

    def __call__(self, model: nn.Module, batch: Batch) -> torch.Tensor:
        if architecture.body(self.model) is not architecture.body(model):
            raise ValueError(
                "The auxiliary model must share its body with the trained one: auxiliary.bert = model.bert"
            )
        own = forward(model, batch).loss
        # What the batches and their dropout draw does not count: the task's own dropout is the same without them.
        with torch.random.fork_rng():
            other = runtime.to_device(next(self.batches), runtime.device())
            return own + self.strength * self.loss(self.model, other)


def _forever(batches: DataLoader) -> Iterator[Batch]:
    epoch = 0
    while True:
        if hasattr(batches.batch_sampler, "set_epoch"):
            batches.batch_sampler.set_epoch(epoch)
        yield from batches
        epoch += 1
