"""What do all moving pictures look like? Like the still ones: the same colours, the message as the title."""

from __future__ import annotations

import textwrap

import altair
from helpers import figures

WIDE, NARROW = 700, 340  # pixels of a whole picture
BLUE, ORANGE, GREEN, PINK, SKY, AMBER, BLACK = figures.COLOURS
FONT = "Arial, Helvetica, sans-serif"
GRID = figures.STYLE["grid.color"]


def styled(chart: altair.TopLevelMixin, message: str, wide: bool) -> altair.TopLevelMixin:
    """The chart with its message as its title, broken into lines that fit."""
    title = altair.TitleParams(
        text=textwrap.wrap(message, 86 if wide else 40), anchor="start", fontSize=15, fontWeight="bold", offset=12
    )
    return (
        chart.properties(title=title, padding=8, background="white")
        .configure(font=FONT)
        .configure_axis(
            gridColor=GRID,
            domainColor="#888",
            tickColor="#888",
            labelFontSize=12,
            titleFontSize=12,
            titleFontWeight="normal",
        )
        .configure_text(fontSize=12)
        .configure_header(labelFontSize=13, titleFontSize=13)
        .configure_view(stroke=None)
    )
