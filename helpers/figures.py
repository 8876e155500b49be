"""What does it look like?

One style for every figure of the book: colours that colour-blind readers can tell apart (Okabe & Ito), lines labelled
where they end instead of in a legend, the message in the title, and a white card behind, so that a figure reads on a
dark page too. ``show`` attaches the alt text that a screen reader speaks.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from helpers.uncertainty import Interval

# Okabe & Ito (2008), in the order in which the book uses them; yellow left out, too pale on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
STYLE = {
    "axes.prop_cycle": f"cycler('color', {list(COLOURS)})",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.labelsize": 10,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.8,
    "font.size": 10,
    "font.family": "DejaVu Sans",
    "figure.figsize": (7.0, 3.6),
    "figure.dpi": 110,
    "figure.facecolor": "white",
    "figure.constrained_layout.use": True,
    "lines.linewidth": 1.8,
    "lines.markersize": 5,
}


def png(drawn: Figure) -> bytes:
    """A figure as the bytes of a PNG file; closes the figure."""
    import matplotlib.pyplot as plt
    import PIL.Image

    pixels, file = io.BytesIO(), io.BytesIO()
    drawn.savefig(pixels, format="png", bbox_inches="tight")
    plt.close(drawn)
    # A drawing has few colours; 256 of them make the file, and so the notebook and the page, a third as large.
    PIL.Image.open(pixels).convert("RGB").quantize(256, dither=PIL.Image.Dither.NONE).save(file, "png", optimize=True)
    return file.getvalue()


def show(drawn: Figure, alt: str) -> None:
    """Display a figure as a PNG that carries its alt text, and close it."""
    from IPython.display import Image, display

    # Not as Image(alt=…), which Colab's IPython 7 does not know.
    display(Image(png(drawn), metadata={"alt": alt}))


@contextmanager
def figure(
    title: str,
    alt: str,
    *,
    columns: int = 1,
    rows: int = 1,
    size: tuple[float, float] | None = None,
    then: Callable[[Figure, str], None] = show,
) -> Iterator[Axes]:
    """Draw one figure in the book's style and show it when the block ends.

    Args:
        title: the message, as a sentence: what the reader should see.
        alt: the same for someone who can not see it: what is on the axes and how it runs. No measured number belongs
            here, because it is fixed while the run is not.
        columns, rows: numbers of axes side by side and one below the other; with more than one, an array of axes is
            given.
        then: what becomes of the finished figure and its alt text; by default it is shown below the cell.

    >>> with figure("The loss falls fast, then slowly", "Line: loss against step, falling.") as axes:  # doctest: +SKIP
    ...     axes.plot(losses)
    """
    import matplotlib.pyplot as plt

    with plt.rc_context(STYLE):
        drawn, axes = plt.subplots(rows, columns, figsize=size)
        if rows == columns == 1:
            axes.set_title(title)
        else:
            drawn.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
        try:
            yield axes
            then(drawn, alt)
        finally:
            plt.close(drawn)


def line_labels(axes: Axes) -> None:
    """Write each line's label at its right end, in its colour, moved apart where ends would overlap."""
    lines = [line for line in axes.get_lines() if not line.get_label().startswith("_") and len(line.get_ydata())]
    low, high = axes.get_ylim()
    log = axes.get_yscale() == "log"

    def height(y: float) -> float:
        return np.log(y / low) / np.log(high / low) if log else (y - low) / (high - low)

    taken = -np.inf
    for line in sorted(lines, key=lambda line: line.get_ydata()[-1]):
        x, y = line.get_xdata()[-1], line.get_ydata()[-1]
        place = max(height(y), taken + 0.07)
        taken = place
        axes.annotate(
            line.get_label(),
            xy=(x, place),
            xycoords=("data", "axes fraction"),
            xytext=(6, 0),
            textcoords="offset points",
            color=line.get_color(),
            va="center",
            annotation_clip=False,
        )


def confusion(axes: Axes, truth: np.ndarray, predicted: np.ndarray, labels: Sequence[str]) -> None:
    """Draw a confusion matrix: one row a true label, shares of the row as shades, mistakes as counts."""
    counts = np.zeros((len(labels), len(labels)), dtype=int)
    np.add.at(counts, (np.asarray(truth), np.asarray(predicted)), 1)
    axes.imshow(counts / counts.sum(axis=1, keepdims=True).clip(1), cmap="Blues", vmin=0, vmax=1)
    axes.grid(False)
    axes.set_xticks(range(len(labels)), labels, rotation=90)
    axes.set_yticks(range(len(labels)), labels)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.tick_params(length=0, labelsize=7)
    for row, column in zip(*np.nonzero(counts), strict=True):
        if row != column:
            axes.text(column, row, counts[row, column], ha="center", va="center", color="#D55E00", fontsize=7)


def bars(
    axes: Axes,
    values: Mapping[str, float | Interval],
    *,
    colours: Sequence[str] = COLOURS[:1],
    form: str = ".2f",
) -> None:
    """Horizontal bars, first on top, with the value written behind each; an ``Interval`` is drawn as a line."""
    for place, (name, value) in enumerate(values.items()):
        estimate, low, high = value if isinstance(value, tuple) else (value, value, value)
        axes.barh(name, estimate, color=colours[place % len(colours)])
        axes.plot([low, high], [place, place], color="black", linewidth=1.2)
        axes.annotate(
            format(estimate, form), (high, place), xytext=(5, 0), textcoords="offset points", va="center", clip_on=False
        )
    axes.invert_yaxis()
    axes.set_xlim(left=0)
    axes.grid(False, axis="y")
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)


def table(frame: pd.DataFrame, digits: int = 2) -> pd.DataFrame:
    """The same table for reading: numbers with so many digits behind the point, whole columns of integers as they are.

    Missing values become a dash. For showing only: the cells are strings.

    >>> import pandas as pd
    >>> table(pd.DataFrame({"accuracy": [0.96789, None], "rows": [10, 20]})).values.tolist()
    [['0.97', '10'], ['–', '20']]
    """
    import pandas as pd

    def show(value: object) -> str:
        if pd.api.types.is_scalar(value) and pd.isna(value):
            return "–"
        return f"{value:.{digits}f}" if isinstance(value, (float, np.floating)) else str(value)

    return frame.map(show)
