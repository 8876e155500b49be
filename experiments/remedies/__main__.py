"""``python -m experiments.remedies``: tune on the validation rows, measure on the test rows, and print the table."""

from __future__ import annotations

from experiments import remedies
from experiments.kit import command, rows
from experiments.remedies import report
from experiments.remedies.measure import measure
from experiments.remedies.setting import ROWS, SEEDS, STRENGTHS, TUNING_SEEDS, Setting, grid


def main(arguments: list[str] | None = None) -> None:
    parser = command.parser(remedies.__doc__, seeds=SEEDS, rows=ROWS)
    parser.add_argument("--remedies", nargs="+", default=[], help=f"of: {', '.join(STRENGTHS)}")
    parser.add_argument("--data", default=Setting.data, help="a data set as 'intents'")
    parser.add_argument("--encoder", "--model", default=Setting.encoder)
    parser.add_argument("--per-class", type=int, default=20, help="training examples of a label (20); 0 for all")
    options = parser.parse_args(arguments)
    names = command.some_of("remedy", options.remedies, STRENGTHS)
    changes = {"data": options.data, "encoder": options.encoder, "per_class": options.per_class or None}
    tunable = [name for name in names if len(STRENGTHS[name]) > 1]
    tuning = rows.run(options.output, grid(tunable, TUNING_SEEDS, "validation", **changes), measure)
    tuned = {name: STRENGTHS[name][0] for name in names} | report.best(tuning)
    final = [row for row in grid(names, options.seeds, "test", **changes) if row.strength == tuned[row.remedy]]
    print(report.table(rows.run(options.output, final, measure)).map(str).to_string())


if __name__ == "__main__":
    command.start(main)
