"""``python -m helpers.data``: the book's data sets in one table; ``python -m helpers.data NAME``: the card of one."""

from __future__ import annotations

import sys

import pandas as pd

from helpers import data


def overview() -> pd.DataFrame:
    """One row a data set: sizes of its splits, balance, baselines and MiniLM's score on the test split."""
    rows = {}
    for name in data.VIEWS:
        found = data.measured(name)
        rows[name] = {
            "train / val / test": " / ".join(str(len(split)) for split in data.load(name).values()),
            "balance": data.balance(name),
            "metric": found.get("metric", ""),
            "baselines": ", ".join(f"{baseline} {score:.2f}" for baseline, score in found.get("baselines", {}).items()),
            "MiniLM": f"{found['minilm']['mean']:.2f} ± {found['minilm']['sd']:.2f}" if found else "",
        }
    return pd.DataFrame(rows).T


if __name__ == "__main__":
    try:
        print("\n".join(data.card(name) for name in sys.argv[1:]) or overview().to_string())
    except ValueError as error:
        sys.exit(str(error))
