"""``python -m experiments.new_label``: measure every remedy on every draw, and print the table."""

from __future__ import annotations

from collections.abc import Iterable

from experiments import new_label
from experiments.kit import command, rows
from experiments.new_label import measure, report
from experiments.new_label.setting import CACHE, REMEDIES, ROWS, SEEDS, VALIDATION_SEEDS, Setting
from helpers import runtime


def settings(seeds: Iterable[int], split: str) -> list[Setting]:
    """All remedies of a seed together: its classifier is trained once and stays in memory."""
    return [Setting(name, seed, split, **changes) for seed in seeds for name, changes in REMEDIES.items()]


def main(arguments: list[str] | None = None) -> None:
    parser = command.parser(new_label.__doc__, seeds=SEEDS, rows=ROWS)
    parser.add_argument("--validate", action="store_true", help="other draws, validation rows; writes no evidence")
    options = parser.parse_args(arguments)
    runtime.start(0)
    wanted, path = settings(options.seeds, "test"), options.output
    if options.validate:
        wanted, path = settings(VALIDATION_SEEDS, "validation"), CACHE / "validation.json"
    print(report.table(rows.run(path, wanted, measure.measure)).map(str).to_string())


if __name__ == "__main__":
    command.start(main)
