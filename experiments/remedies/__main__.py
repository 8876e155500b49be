"""``python -m experiments.remedies``: search on the validation rows, measure on the test rows, and print the tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from experiments import remedies
from experiments.kit import command, protocol, rows
from experiments.kit.rows import Row
from experiments.remedies import report
from experiments.remedies.measure import measure
from experiments.remedies.setting import (
    KEEPS,
    LADDERS,
    ROWS,
    SCENARIOS,
    SEARCH_SEEDS,
    SEEDS,
    START,
    TRAINING,
    Setting,
    grid,
)


def search(path: Path, remedy: str, **changes: Any) -> list[float]:
    """The strengths that win, one for each scenario: on the validation rows, until no winner stands at an end."""
    tried = set(START[remedy])
    while True:
        found = rows.run(path, grid(remedy, sorted(tried), SEARCH_SEEDS, "validation", **changes), measure)
        best = [report.chosen(found, scenario)[remedy].value for scenario in SCENARIOS]
        further = {protocol.widened(sorted(tried), value, LADDERS[remedy]) for value in best} - {None}
        if not further:
            return sorted(set(best))
        tried |= further  # type: ignore[arg-type]  # None is taken away


def main(arguments: list[str] | None = None) -> None:
    parser = command.parser(remedies.__doc__, seeds=SEEDS, rows=ROWS)
    parser.add_argument("--remedies", nargs="+", default=[], help=f"of: {', '.join(KEEPS)}")
    parser.add_argument("--data", default=Setting.data, help="a data set as 'intents'")
    parser.add_argument("--encoder", "--model", default=Setting.encoder)
    parser.add_argument("--classes", type=int, default=Setting.classes, help="of the data set, drawn by the seed (50)")
    parser.add_argument("--per-class", type=int, default=20, help="training examples of a label (20); 0 for all")
    options = parser.parse_args(arguments)
    changes = {"data": options.data, "encoder": options.encoder, "classes": options.classes}
    changes |= {"per_class": options.per_class or None, **TRAINING.get(options.encoder, {})}
    tested: list[Row] = []
    for name in command.some_of("remedy", options.remedies, KEEPS):
        strengths = search(options.output, name, **changes) if name in START else [0.0]
        tested += rows.run(options.output, grid(name, strengths, options.seeds, "test", **changes), measure)
    for scenario in SCENARIOS:
        print(report.table(rows.read(options.output), options.encoder, scenario).map(str).to_string())


if __name__ == "__main__":
    command.start(main)
