"""``python -m experiments.bench``: ask what is not answered yet, and print the tables."""

from __future__ import annotations

import statistics
import time
from functools import partial

from experiments import bench
from experiments.bench import measure, report
from experiments.bench.setting import ROWS, questions
from experiments.kit import command, rows
from experiments.kit.environment import environment
from helpers import runtime


def main(arguments: list[str] | None = None) -> None:
    parser = command.parser(bench.__doc__, rows=ROWS)
    parser.add_argument("--examples", type=int, default=640, help="examples a round (default 640)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each contender runs (default 3)")
    parser.add_argument("--epochs", type=int, default=3, help="epochs of the quality runs (default 3)")
    options = parser.parse_args(arguments)
    runtime.start(0)
    job = measure.job(options.examples)
    found: list[rows.Row] = []
    for question, settings in questions(job.name, len(job.some), options.rounds, options.epochs).items():
        answer = getattr(measure, question)
        if question == "peak":
            fit = next(row for row in report.of(found, "speed") if row["settings"]["contender"] == "fit")
            speed = statistics.median(fit["results"]["examples_per_second"])
            answer = partial(measure.peak, examples_per_second=speed)
        known = rows.known(options.output, settings)
        if not known:
            began = time.perf_counter()
            results = answer(job, settings)
            # They share the minutes that they took together.
            minutes = (time.perf_counter() - began) / 60 / len(settings)
            pairs = zip(settings, results, strict=True)
            rows.store(options.output, [rows.made(*pair, minutes) | environment() for pair in pairs])
            known = rows.known(options.output, settings)
        found += known
    for made in (report.table, report.frozen_table, report.peak_table, report.growth_table):
        print(f"\n{made(found).round(3)}")


if __name__ == "__main__":
    command.start(main)
