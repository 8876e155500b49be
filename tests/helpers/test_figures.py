from __future__ import annotations

import itertools

import numpy as np
import pytest

from helpers import figures


@pytest.fixture
def displayed(monkeypatch):
    images = []
    monkeypatch.setattr("IPython.display.display", images.append)
    return images


def test_figure_carries_title_and_alt_text(displayed):
    with figures.figure("Up it goes", "A rising line.") as axes:
        axes.plot([1, 2, 3], label="rise")
        figures.line_labels(axes)
        assert axes.get_title(loc="left") == "Up it goes"
    (image,) = displayed
    assert image._repr_mimebundle_()[1]["image/png"]["alt"] == "A rising line."
    assert image.data.startswith(b"\x89PNG")
    assert len(image.data) < 80_000


def test_figure_of_many_panels(displayed):
    with figures.figure("Six of them", "Six empty panels.", rows=2, columns=3) as axes:
        assert axes.shape == (2, 3)
        assert axes[0, 0].figure.get_suptitle() == "Six of them"
    assert len(displayed) == 1


def test_a_figure_that_fails_is_closed_and_not_shown(displayed):
    import matplotlib.pyplot as plt

    with pytest.raises(RuntimeError), figures.figure("Oops", "Nothing."):
        raise RuntimeError
    assert displayed == []
    assert plt.get_fignums() == []


def test_line_labels_do_not_overlap(displayed):
    with figures.figure("Close", "Three lines that end together.") as axes:
        for i in range(3):
            axes.plot([0, 1], [0, 1 + i / 1000], label=f"line {i}")
        figures.line_labels(axes)
        heights = sorted(text.xy[1] for text in axes.texts)
    assert all(b - a > 0.05 for a, b in itertools.pairwise(heights))


def test_confusion_counts_mistakes(displayed):
    truth, predicted = np.array([0, 0, 1, 1, 1]), np.array([0, 1, 1, 1, 0])
    with figures.figure("Two mistakes", "Matrix.") as axes:
        figures.confusion(axes, truth, predicted, ["a", "b"])
        assert [text.get_text() for text in axes.texts] == ["1", "1"]
        assert axes.images[0].get_array()[1, 1] == pytest.approx(2 / 3)
