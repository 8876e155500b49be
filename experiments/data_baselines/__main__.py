"""``python -m experiments.data_baselines``: measure what is missing, and write the summary that the cards show."""

from __future__ import annotations

import statistics

from experiments import data_baselines
from experiments.data_baselines import baselines, measure, report
from experiments.data_baselines.setting import FINE_TUNING, METRICS, ROWS, SEEDS, Setting, current, sha256
from experiments.kit import command, rows
from helpers import data

MEASURED = data.SETS / "measured.json"


def main(arguments: list[str] | None = None) -> None:
    parser = command.parser(data_baselines.__doc__, seeds=SEEDS, rows=ROWS)
    parser.add_argument("names", nargs="*", help="data sets to measure; all by default")
    options = parser.parse_args(arguments)
    names = command.some_of("data set", options.names, FINE_TUNING)
    wanted = [Setting(seed=seed, **current(name)) for seed in options.seeds for name in names]
    found = rows.run(options.output, wanted, measure.measure)
    summary = {name: known for name in FINE_TUNING if (known := data.measured(name))}
    for name in names:
        scores = report.scores(found, name)
        sd = statistics.stdev(scores) if len(scores) > 1 else 0.0
        summary[name] = {
            "metric": METRICS[name],
            "baselines": baselines.baselines(name),
            "minilm": {"mean": statistics.mean(scores), "sd": sd, "seeds": len(scores)},
            "sha256": sha256(name),
        }
    if options.output == ROWS:
        rows.write_json(MEASURED, summary)
    print(report.table(found).to_string())


if __name__ == "__main__":
    command.start(main)
