"""``python -m experiments.further_pretraining``: measure all rows that are missing, and print the tables."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from experiments import further_pretraining
from experiments.further_pretraining import measure, report
from experiments.further_pretraining.setting import PER_CLASS, ROWS, SEEDS, STEPS, settings
from experiments.kit import command, rows


def main(arguments: list[str] | None = None) -> None:
    parser = command.parser(further_pretraining.__doc__, seeds=SEEDS, rows=ROWS)
    parser.add_argument("--encoder", "--model", default="minilm", help="any name that models.load knows")
    parser.add_argument("--steps", type=int, default=STEPS, help="of the further pretraining, 32 sentences each")
    parser.add_argument("--per-class", type=int, nargs="+", default=PER_CLASS, help="labels of each (8 32 128)")
    parser.add_argument("--folder", type=Path, default=Path(".cache/further_pretraining"), help="keeps the encoders")
    options = parser.parse_args(arguments)
    wanted = settings(options.encoder, options.seeds, options.steps, options.per_class)
    found = rows.run(options.output, wanted, partial(measure.measure, folder=options.folder))
    print(report.table(found).map(str).to_string())
    print(report.further_table(found).map(str).to_string())


if __name__ == "__main__":
    command.start(main)
