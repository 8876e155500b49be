"""``python -m experiments.frozen_vs_full``: measure the parts that the options choose, and print their table."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from experiments import frozen_vs_full
from experiments.frozen_vs_full import report
from experiments.frozen_vs_full.measure import depth, measure
from experiments.frozen_vs_full.setting import (
    HEAD_RATES,
    HEAD_STEPS,
    LORA_RANK,
    LORA_RATES,
    OTHER_RATES,
    RATES,
    REGIME,
    ROWS,
    SEEDS,
    SIZES,
    TASKS,
    Setting,
)
from experiments.kit import command, rows
from helpers import runtime


def settings(options: argparse.Namespace, seeds: Sequence[int]) -> list[Setting]:
    """The runs of these seeds, all of a seed before the next, so that an early stop leaves a whole table of fewer."""
    layers = depth(options.encoder)
    levels = options.frozen if options.frozen is not None else sorted({*range(0, layers, 2), layers})
    if bad := [level for level in levels if not 0 <= level <= layers]:
        raise SystemExit(f"--frozen {bad[0]}: {options.encoder} has {layers} layers.")
    # As (frozen layers, rank of the adapter, rates).
    regimes = [(level, 0, _rates(options, alone=level == layers)) for level in levels]
    regimes += [(layers, rank, options.lora_rates) for rank in options.lora]
    return [
        Setting(
            TASKS[task],
            options.encoder,
            size,
            frozen,
            rank,
            rate,
            seed,
            steps=HEAD_STEPS if frozen == layers and not rank else Setting.steps,
        )
        for seed in seeds
        for task in options.tasks
        for size in options.sizes
        for frozen, rank, rates in regimes
        for rate in rates
    ]


def run(options: argparse.Namespace) -> list[rows.Row]:
    """Measure the first seed at all rates, and the others at the best of them; the rows of the latter kind."""
    first, *others = options.seeds
    tried = rows.run(options.output, settings(options, [first]), measure)
    best = {tuple(line) for line in report.best_rate(tried)[[*REGIME, "learning_rate"]].itertuples(index=False)}
    at_best = lambda own: tuple(own[name] for name in (*REGIME, "learning_rate")) in best  # noqa: E731
    rest = [setting for setting in settings(options, others) if at_best(vars(setting))]
    return [row for row in tried if at_best(row["settings"])] + rows.run(options.output, rest, measure)


def _rates(options: argparse.Namespace, *, alone: bool) -> Sequence[float]:
    if alone:
        return options.head_rates
    return options.rates or RATES.get(options.encoder, OTHER_RATES)


def parser() -> argparse.ArgumentParser:
    made = command.parser(frozen_vs_full.__doc__, seeds=SEEDS, rows=ROWS)
    made.add_argument("--encoder", "--model", default="minilm", help="any name that helpers.models.load takes")
    made.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    made.add_argument("--sizes", nargs="+", type=int, default=[*SIZES, 0], help="training rows; 0 is all of them")
    made.add_argument("--frozen", nargs="+", type=int, help="lowest layers that do not learn; by default every second")
    made.add_argument("--lora", nargs="*", type=int, default=[LORA_RANK], help="ranks of adapters; none after --lora")
    made.add_argument("--rates", nargs="+", type=float, help="learning rates where layers learn")
    made.add_argument("--head-rates", nargs="+", type=float, default=list(HEAD_RATES), help="and where the head does")
    made.add_argument("--lora-rates", nargs="+", type=float, default=list(LORA_RATES), help="and where LoRA does")
    return made


def main(arguments: list[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    runtime.start()
    print(report.table(run(options)).map(str).to_string())


if __name__ == "__main__":
    command.start(main)
