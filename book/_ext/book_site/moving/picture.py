"""What is a moving picture? A chart, the knobs that change it, and a sentence for each of their positions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

import altair
import vl_convert

Positions = tuple[int, ...]  # of the knobs, in their order
SHARPNESS = 2  # pixels of the still picture for one of the page


@dataclass(frozen=True)
class Knob:
    """An input of the page that sets the parameter ``name`` of the chart to the number of a value, counted from 0.

    ``label`` says what it sets, ``values`` what can be chosen. A switch has two values, off and on.
    """

    kind: Literal["slider", "choice", "switch"]
    name: str
    label: str
    values: tuple[str, ...]
    start: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.start < len(self.values):
            raise ValueError(f"The knob {self.name!r} starts at {self.start} and has {len(self.values)} values.")

    @property
    def parameter(self) -> altair.Parameter:
        """The parameter of the chart that it sets."""
        return altair.param(name=self.name, value=self.start)


@dataclass(frozen=True)
class Moving:
    """A chart that has a parameter for each knob.

    ``draw`` makes it, wide for a screen or narrow for a phone. ``alt`` says what it shows, without numbers. ``says``
    has the sentence that stands below it for all positions of the knobs. Raises ``ValueError`` where one is missing.
    """

    alt: str
    knobs: tuple[Knob, ...]
    draw: Callable[[bool], altair.TopLevelMixin]
    says: Mapping[Positions, str]

    def __post_init__(self) -> None:
        for positions in product(*(range(len(knob.values)) for knob in self.knobs)):
            if positions not in self.says:
                raise ValueError(f"The moving picture says nothing for its knobs at {positions}.")

    @property
    def start(self) -> Positions:
        """Where the knobs stand when the page opens."""
        return tuple(knob.start for knob in self.knobs)

    def chart(self, wide: bool) -> dict[str, Any]:
        """The chart as Vega-Lite."""
        return self.draw(wide).to_dict() | {"description": self.alt}

    def still(self, wide: bool) -> bytes:
        """The chart with its knobs at their start, as a PNG."""
        return vl_convert.vegalite_to_png(self.chart(wide), scale=SHARPNESS)
