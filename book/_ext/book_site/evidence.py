"""Measured tables, made from the result files of ``experiments/``.

    ```{evidence} frozen_vs_full
    ```

The module ``experiments.frozen_vs_full.report`` has a function ``table`` that makes a table of the rows in
``book/evidence/frozen_vs_full.json``, and this directive shows it, with what it takes to judge and to repeat it: how
many runs and seeds, on which device, for how long, with which versions, and the command. ``:table:`` names
another function of it, with the words that it takes beside the rows (``:table: pairs pocket``), and ``:numbers: 3``
sets the digits behind the point. A file without rows warns, which fails the strict build.

    ```{evidence} frozen_vs_full
    :picture: picture
    ```

shows what that function of the module draws of the rows. It takes the rows and ``then``, what ``figures.figure`` does
with the finished figure.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd
from docutils import nodes
from docutils.parsers.rst import directives
from experiments.kit import report
from helpers import figures
from matplotlib.figure import Figure
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from .ledger import table
from .results import picture


class Evidence(SphinxDirective):
    """The table of an experiment, and a line on where it comes from."""

    required_arguments = 1
    option_spec: ClassVar[dict] = {
        "numbers": directives.nonnegative_int,
        "table": directives.unchanged_required,
        "picture": directives.unchanged_required,
    }

    def run(self) -> list[nodes.Node]:
        name = self.arguments[0]
        path = Path(self.env.srcdir, "evidence", f"{name}.json")
        rows = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
        if not rows:
            raise self.error(f"there is no result of {name} in {path.name}")
        self.env.note_dependency(str(path))
        module = importlib.import_module(f"experiments.{name}.report")
        if "picture" in self.options:
            return self.pictures(getattr(module, self.options["picture"]), rows)
        function, *arguments = self.options.get("table", "table").split()
        frame = getattr(module, function)(rows, *arguments).reset_index()
        digits = self.options.get("numbers", 3)
        body = [[nodes.paragraph("", shown(value, digits)) for value in row] for row in frame.itertuples(index=False)]
        widths = tuple(100 // len(frame.columns) for _ in frame.columns)
        return [
            nodes.container("", table(tuple(map(str, frame.columns)), widths, body), classes=["evidence"]),
            nodes.paragraph("", "", *self.state.inline_text(provenance(rows), self.lineno)[0], classes=["provenance"]),
        ]

    def pictures(self, draw: Callable[..., None], rows: list[dict[str, Any]]) -> list[nodes.Node]:
        """What ``draw`` makes of the rows."""
        drawn: list[nodes.Node] = []

        def keep(figure: Figure, alt: str) -> None:
            drawn.append(nodes.container("", picture(self.env, figures.png(figure), alt), classes=["chapter-figure"]))

        draw(rows, then=keep)
        return drawn


def shown(value: object, digits: int) -> str:
    """A cell's text: so many digits behind the point, a dash for what is missing, words as they are."""
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return "–"
    if isinstance(value, report.Spread):  # in a narrow column it breaks before its interval, and nowhere else
        return str(value).replace(" ", "\N{NO-BREAK SPACE}").replace("\N{NO-BREAK SPACE}[", " [")
    if not isinstance(value, float):
        return f"{value:,}" if isinstance(value, int) and value >= 10_000 else str(value)
    # A learning rate is no score: it would be all noughts; nor is the strength of a penalty.
    return f"{value:.{digits}f}" if value == 0 or 10**-digits <= abs(value) < 10_000 else f"{value:g}"


def provenance(rows: Sequence[dict[str, Any]]) -> str:
    """Where the rows come from, as one line of Markdown."""
    seeds = {row["settings"]["seed"] for row in rows if "seed" in row["settings"]}
    versions = {f"{name} {version}" for row in rows for name, version in row["versions"].items()}
    parts = [
        f"{len(rows)} runs" + (f", {len(seeds)} {'seeds' if len(seeds) > 1 else 'seed'}" if seeds else ""),
        f"{sum(row['minutes'] for row in rows):.0f} minutes on {_join(row['device'] for row in rows)}",
        _join(row["precision"] for row in rows),
        ", ".join(sorted(versions)),
        f"`{_join(row['command'] for row in rows)}`",
    ]
    return " · ".join(parts)


def _join(values: Any) -> str:
    return " and ".join(sorted(set(values)))


def setup(app: Sphinx) -> None:
    """Register the directive."""
    app.add_directive("evidence", Evidence)
