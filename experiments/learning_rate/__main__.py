"""``python -m experiments.learning_rate``: measure the part of the grid that the options choose, print its table."""

from __future__ import annotations

from experiments import learning_rate
from experiments.kit import command, rows
from experiments.learning_rate import measure, report
from experiments.learning_rate.setting import ENCODERS, RATES, REGIMES, ROWS, SEEDS, Setting


def main(arguments: list[str] | None = None) -> None:
    parser = command.parser(learning_rate.__doc__, seeds=SEEDS, rows=ROWS)
    parser.add_argument("--encoders", nargs="+", default=list(ENCODERS), choices=ENCODERS)
    parser.add_argument("--regimes", nargs="+", default=list(REGIMES), choices=REGIMES)
    parser.add_argument("--rates", nargs="+", type=float, default=list(RATES), metavar="RATE")
    parser.add_argument("--epochs", type=int, default=Setting.epochs)
    options = parser.parse_args(arguments)
    settings = measure.grid(options.encoders, options.regimes, options.rates, options.seeds, epochs=options.epochs)
    print(report.table(rows.run(options.output, settings, measure.measure)).map(str).to_string())


if __name__ == "__main__":
    command.start(main)
