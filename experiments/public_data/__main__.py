"""``python -m experiments.public_data``: measure what is missing, and print the table."""

from __future__ import annotations

from experiments import public_data
from experiments.kit import command, rows
from experiments.public_data import report
from experiments.public_data.measure import measure
from experiments.public_data.setting import FINE_TUNING, ROWS, SEEDS, settings


def main(arguments: list[str] | None = None) -> None:
    parser = command.parser(public_data.__doc__, seeds=SEEDS, rows=ROWS)
    parser.add_argument("names", nargs="*", help="data sets; all by default")
    options = parser.parse_args(arguments)
    names = command.some_of("data set", options.names, FINE_TUNING)
    print(report.table(rows.run(options.output, settings(names, options.seeds), measure)).map(str).to_string())


if __name__ == "__main__":
    command.start(main)
