"""``python -m experiments.new_label``: search rates, measure every remedy on every draw, and print the tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from experiments import new_label
from experiments.kit import command, protocol, rows
from experiments.new_label import measure, report
from experiments.new_label.setting import (
    OLD,
    REMEDIES,
    ROWS,
    SEARCH_SEEDS,
    SEARCHED,
    SEEDS,
    START,
    Setting,
    at,
    of,
    scaled,
)
from helpers import runtime


def search(path: Path, encoder: str) -> dict[str, float]:
    """Of every searched remedy the rate that wins: on the validation rows, until no winner stands at an end."""
    ladders = {name: scaled(ladder, encoder, report.trained(name)) for name, ladder in SEARCHED.items()}
    tried = {name: set(scaled(START[SEARCHED[name]], encoder, report.trained(name))) for name in SEARCHED}
    while True:
        found = rows.run(path, validation(encoder, tried), measure.measure)
        best = {name: chosen.value for name, chosen in report.chosen(found, encoder).items()}
        further = {name: protocol.widened(sorted(tried[name]), best[name], ladders[name]) for name in tried}
        if not any(further.values()):
            return best
        for name, rate in further.items():
            tried[name] |= {rate} if rate else set()


def validation(encoder: str, tried: Mapping[str, Iterable[float]]) -> list[Setting]:
    """The runs of a search; those of a seed together, for its classifier is trained once and stays in memory."""
    return [
        of(name, encoder, seed, "validation", rate)
        for seed in SEARCH_SEEDS
        for name, rates in tried.items()
        for rate in sorted(rates)
    ]


def test(encoder: str, best: Mapping[str, float], seeds: Iterable[int]) -> list[Setting]:
    """All remedies as they are, and those that were searched at their best; each once, those of a seed together."""
    wanted: dict[Setting, None] = {}
    for seed in seeds:
        wanted |= dict.fromkeys(of(name, encoder, seed, "test") for name in REMEDIES)
        wanted |= dict.fromkeys(at(name, encoder, seed, rate) for name, rate in best.items())
    return list(wanted)


def main(arguments: list[str] | None = None) -> None:
    parser = command.parser(new_label.__doc__, seeds=SEEDS, rows=ROWS)
    parser.add_argument("--encoders", nargs="+", default=[], help=f"of: {', '.join(OLD)}")
    options = parser.parse_args(arguments)
    runtime.start(0)
    for encoder in command.some_of("encoder", options.encoders, OLD):
        rows.run(options.output, test(encoder, {}, options.seeds), measure.measure)  # what needs no search comes first
        best = search(options.output, encoder)
        rows.run(options.output, test(encoder, best, options.seeds), measure.measure)
        print(report.best(rows.read(options.output), encoder).map(str).to_string())


if __name__ == "__main__":
    command.start(main)
