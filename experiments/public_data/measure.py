"""How is a row of a public data set measured?"""

from __future__ import annotations

from functools import cache
from typing import Any

from experiments.data_baselines import baselines as simple
from experiments.data_baselines.measure import fine_tuned
from experiments.public_data.setting import Setting


@cache
def baselines(name: str, like: str) -> dict[str, float]:
    """As in ``data_baselines``; once a set, for they depend on no seed."""
    return simple.baselines(name, like)


def measure(setting: Setting) -> dict[str, Any]:
    """The test ``score`` of the fine-tuned encoder, and of the ``baselines``."""
    return {**fine_tuned(setting, setting.like), "baselines": baselines(setting.data, setting.like)}
