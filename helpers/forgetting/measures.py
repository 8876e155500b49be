"""How much was lost?

Train on one task after the other, measure all tasks after each, and keep the numbers in a table. Every measure of
forgetting is computed from that table. Libraries use the same names for different formulas, so each is written out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from helpers import errors

if TYPE_CHECKING:
    import pandas as pd


class AccuracyMatrix:
    """R, where R[i][j] is the accuracy on task j after training on task i.

    Args:
        tasks: the names of the tasks 1 … T, in the order in which they are learned.
        rows: a row for each task learned so far, with the accuracies on *all* tasks; more by :meth:`add`.

    The measures look at the k tasks learned so far. They fit any score where more is better. Raises ``ValueError`` for
    no task, repeated names, or a row that does not fit.

    >>> matrix = AccuracyMatrix(["money", "travel"], [[0.9, 0.1], [0.6, 0.8]])
    >>> round(matrix.average_accuracy(), 3), round(matrix.backward_transfer(), 3), round(matrix.forgetting(), 3)
    (0.7, -0.3, 0.3)
    """

    def __init__(self, tasks: Sequence[str], rows: Sequence[Sequence[float]] = ()) -> None:
        errors.strings("tasks", tasks)
        if not len(tasks) or len(set(tasks)) != len(tasks):
            raise ValueError(f"An accuracy matrix needs tasks with different names, got {list(tasks)}.")
        self.tasks = tuple(tasks)
        self.rows: list[np.ndarray] = []
        for row in rows:
            self.add(row)

    def add(self, row: Sequence[float] | Mapping[str, float]) -> None:
        """Append the accuracies on all tasks, measured after training on the next one: in their order, or by name."""
        if len(self.rows) == len(self.tasks):
            raise ValueError(f"All {len(self.tasks)} tasks have their row already: {', '.join(self.tasks)}.")
        if isinstance(row, Mapping):
            if set(row) != set(self.tasks):
                raise ValueError(f"A row needs an accuracy for each of {', '.join(self.tasks)}; got {', '.join(row)}.")
            row = [row[task] for task in self.tasks]
        values = np.asarray(errors.listed("A row of accuracies", row), dtype=float)
        if values.shape != (len(self.tasks),) or not np.isfinite(values).all():
            raise ValueError(f"A row needs {len(self.tasks)} finite numbers, one a task; got {list(row)}.")
        self.rows.append(values)

    def to_frame(self) -> pd.DataFrame:
        """The matrix as a table: a row "after …" for each task learned, a column for each task measured."""
        import pandas as pd

        index = [f"after {task}" for task in self.tasks[: len(self.rows)]]
        return pd.DataFrame(self.rows, index=index, columns=list(self.tasks))

    def average_accuracy(self) -> float:
        """Mean of the last row over the tasks learned: (1/k) Σ_{j≤k} R[k][j].

        ACC of Lopez-Paz & Ranzato 2017, section 2; A_k of Chaudhry et al. 2018. "Average incremental
        accuracy" is another number: the mean of A_1 … A_k.
        """
        matrix = self._learned(1)
        return float(matrix[-1].mean())

    def backward_transfer(self) -> float:
        """What learning later tasks did to earlier ones: (1/(k−1)) Σ_{j<k} (R[k][j] − R[j][j]). Negative is forgetting.

        BWT of Lopez-Paz & Ranzato 2017, section 2. Avalanche's ``Forgetting`` is this with the sign turned, not the
        :meth:`forgetting` below. Some libraries divide by k instead of k − 1 (the last task's own term is always 0).
        """
        matrix = self._learned(2)
        return float((matrix[-1] - matrix.diagonal())[:-1].mean())

    def forgetting(self) -> float:
        """How far earlier tasks are below their best: (1/(k−1)) Σ_{j<k} (max_{l<k} R[l][j] − R[k][j]).

        F_k of Chaudhry et al. 2018. It is negative where the last step made old tasks better than they
        ever were; Mammoth takes the maximum over all rows, the last one too, and so never gets below 0. With every
        task at its best right after it was learned, this is −BWT; always so with two tasks, unless the second is
        better before it is learned.
        """
        matrix = self._learned(2)
        return float((matrix[:-1].max(axis=0) - matrix[-1])[:-1].mean())

    def forward_transfer(self, baseline: Sequence[float]) -> float:
        """What earlier tasks did for a later one before it was learned: (1/(k−1)) Σ_{1<j≤k} (R[j−1][j] − b[j]).

        FWT of Lopez-Paz & Ranzato 2017, section 2.

        Args:
            baseline: b, the accuracy of the model on each task before any training. There it is a random network's;
                for a pretrained model with a new head, measure that one.
        """
        matrix = self._learned(2)
        before = np.asarray(baseline, dtype=float)
        if before.shape != (len(self.tasks),):
            raise ValueError(f"The baseline needs {len(self.tasks)} numbers, one a task; got {list(baseline)}.")
        return float((matrix.diagonal(offset=1) - before[1 : len(matrix)]).mean())

    def _learned(self, least: int) -> np.ndarray:
        """The square of the tasks learned so far."""
        if len(self.rows) < least:
            raise ValueError(f"This measure needs rows for {least} tasks or more; there are {len(self.rows)}.")
        return np.stack(self.rows)[:, : len(self.rows)]


def harmonic_mean(old: float, new: float) -> float:
    """2 · old · new / (old + new): one number for two accuracies, 0 if either is.

    Unlike the plain mean it does not reward a model for giving up one of them.

    >>> harmonic_mean(1.0, 0.0), round(harmonic_mean(0.9, 0.6), 2)
    (0.0, 0.72)
    """
    if not (old >= 0 and new >= 0 and math.isfinite(old + new)):
        raise ValueError(f"The harmonic mean is of numbers that are not negative, got {old} and {new}.")
    return 2 * old * new / (old + new) if old + new else 0.0
