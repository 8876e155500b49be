"""One label more, on the small world: every remedy runs, does what its settings say, and is measured right."""

from __future__ import annotations

import json
import signal

import numpy as np
import pytest
import torch
from torch import nn

from experiments.new_label import __main__ as command
from experiments.new_label import measure, report
from experiments.new_label.setting import CROSSED, OLD, REMEDIES, SEARCH_SEEDS, SEARCHED, SEEDS, Setting, at, of, scaled
from helpers import training


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Keeps the old classifier of all tests."""
    return tmp_path_factory.mktemp("new_label")


@pytest.fixture
def small(world):
    """The setting of a remedy by name, at most two passes, in a small case."""

    def setting(name, **changes):
        own = REMEDIES[name]
        passes = min(2, own.get("epochs", 2))
        case = {"encoder": world, "data": "intents", "old_labels": 4, "examples": 3, "old_epochs": 1}
        kept = min(5, own.get("per_class", 0))  # there are five sentences of a label
        return Setting(name, **case | own | {"epochs": passes, "per_class": kept} | changes)

    return setting


@pytest.mark.parametrize("name", REMEDIES)
def test_every_remedy_runs(small, folder, name):
    found = measure.measure(small(name), folder)
    assert 0 <= found["harmonic_mean"] <= 1 + 1e-9
    assert found["old"] <= found["old_among_old"]
    assert found["old"] + found["claimed"] <= 1 + 1e-9


def test_rates_and_kept_sentences_are_crossed_from_an_imprinted_row():
    for rate, by_kept in CROSSED.items():
        for kept, name in by_kept.items():
            setting = Setting(name, **REMEDIES[name])
            assert setting == Setting(name, learning_rate=rate, per_class=kept)


def test_half_way_back_is_the_mean_of_both_weights(small, folder):
    setting = small("plain, half-way back", learning_rate=0.01)
    at = measure.case(setting, folder)
    models = []
    for each in (setting, small("plain", learning_rate=0.01)):
        torch.manual_seed(0)
        models.append(measure.learned(each, at))
    half, plain = models
    key = "bert.encoder.layer.0.attention.self.value.weight"
    old, new, between = (model.state_dict()[key] for model in (at.classifier, plain, half))
    assert torch.allclose(between, (old + new) / 2, atol=1e-6) and not torch.equal(old, new)


def test_class_means_need_no_training(small, folder):
    setting = small("class means")
    at = measure.case(setting, folder)
    found = measure.class_means(setting, at)
    assert found.logits.shape == (len(at.test), 5)
    assert np.abs(found.logits).max() <= 1 + 1e-5  # cosines


def test_before_training_the_mean_changes_nothing(small, folder):
    found = measure.measure(small("before training, mean"), folder)
    assert found["old"] == found["old_among_old"] == found["before"]
    assert (found["new"], found["claimed"]) == (0, 0)


def test_new_row_only_moves_no_old_row(small, folder):
    setting = small("new row only", learning_rate=0.1)
    at = measure.case(setting, folder)
    before, after = at.classifier.classifier, measure.learned(setting, at).classifier
    untouched = measure.learned(small("before training, imprint"), at).classifier
    for one, other, old in zip(*(head.parameters() for head in (after, untouched, before)), strict=True):
        assert torch.equal(one[:4], other[:4]) and torch.equal(one[:4], old)
        assert not torch.equal(one[4], other[4])


def test_the_old_classifier_is_trained_once_and_none_is_kept_of_half_a_training(small, tmp_path, monkeypatch):
    setting, fit = small("before training, mean", seed=7), training.fit

    def pressed(*arguments, **options):
        model_loss = lambda model, batch: signal.raise_signal(signal.SIGINT)  # noqa: E731
        return fit(*arguments, **options | {"loss": model_loss})

    with monkeypatch.context() as patch:
        patch.setattr(training, "fit", pressed)
        with pytest.raises(KeyboardInterrupt):
            measure.measure(setting, tmp_path)
    assert not list(tmp_path.iterdir())
    first = measure.measure(setting, tmp_path)
    (kept,) = tmp_path.iterdir()
    written = (kept / "model.safetensors").stat().st_mtime_ns
    measure._case.cache_clear()
    assert measure.measure(setting, tmp_path) == first
    assert (kept / "model.safetensors").stat().st_mtime_ns == written


def test_labels_that_are_no_intents_are_left_out(small, folder):
    assert "oos" not in measure.case(small("plain"), folder).classifier.config.label2id
    with pytest.raises(ValueError, match="intents has 9 labels; 9 old ones and a new one need more"):
        measure.case(small("plain", old_labels=9), folder)


class Grown(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.classifier = nn.Linear(2, 3)
        self.classifier.weight.data = torch.tensor([[3.0, 4.0], [0.0, 1.0], [0.0, 10.0]])
        self.classifier.bias.data = torch.tensor([0.0, 0.0, 7.0])


def test_corrections_by_hand():
    model = Grown()
    measure.align_rows(model)
    assert model.classifier.weight.tolist() == [[3.0, 4.0], [0.0, 1.0], [0.0, 3.0]]  # norms 5 and 1, mean 3
    # Twenty sentences, of which the new label leads 19 by 1 … 19: one in twenty may stay.
    logits = np.array([[0.0, -1.0, lead] for lead in range(20)])
    measure.shift(model, logits)
    assert model.classifier.bias[2].item() == pytest.approx(7 - np.quantile(np.arange(20), 0.95))
    before = model.classifier.bias.clone()
    measure.shift(model, np.array([[0.0, -1.0, -3.0]]))  # nothing is claimed, nothing to correct
    assert torch.equal(model.classifier.bias, before)


def test_the_old_rate_of_an_encoder_scales_what_trains_it_and_no_head():
    assert of("plain", "minilm", 0, "test") == Setting("plain")
    assert of("plain", "pocket", 0, "test").learning_rate == pytest.approx(5e-4)
    assert of("head only", "pocket", 0, "test").learning_rate == REMEDIES["head only"]["learning_rate"]
    assert at("plain", "pocket", 3, 1.5e-4) == of("a third of the rate", "pocket", 3, "test")
    assert at("replay 5", "minilm", 0, 1e-5).remedy == "replay 5 at 1e-05"


@pytest.fixture
def peaks(monkeypatch):
    """Nothing is trained: a remedy scores best at the rate that this names, and fails elsewhere."""
    best = {"plain": 1e-5, "replay 5": 1e-3, "head only": 3e-3}

    def measured(setting):
        rate = setting.learning_rate * (0.2 if setting.encoder == "pocket" and setting.train == "everything" else 1)
        far = abs(np.log10(rate / best.get(setting.remedy.partition(" at ")[0], 1e-4)))
        score = 0.9 - 0.1 * far + 0.001 * setting.seed % 7
        return {"old": score, "new": score, "harmonic_mean": score, "claimed": 0.0, "old_among_old": 1.0}

    monkeypatch.setattr(measure, "measure", measured)
    monkeypatch.setattr(command.runtime, "start", lambda seed: None)
    return best


@pytest.mark.parametrize("encoder", OLD)
def test_a_search_goes_on_until_no_winner_stands_at_an_end(peaks, tmp_path, encoder):
    path = tmp_path / "rows.json"
    command.main(["--output", str(path), "--encoders", encoder])
    rows = json.loads(path.read_text())
    for name, choice in report.chosen(rows, encoder).items():
        expected = scaled([peaks.get(name, 1e-4)], encoder, "row" if name.endswith("only") else "everything")[0]
        # 1e-4 is no rate of a row's ladder but its lowest: there the ladder ends.
        assert choice.value == pytest.approx(expected)
        assert choice.at_end == (name == "new row only")
    searched, tested = (
        {row["settings"]["seed"] for row in rows if row["settings"]["split"] == split}
        for split in ("validation", "test")
    )
    assert searched == set(SEARCH_SEEDS) and tested == set(SEEDS)
    table = report.best(rows, encoder)
    assert set(table.index) == {*SEARCHED, *report.UNSEARCHED}
    assert table["against plain"]["plain"] == "–" and " of 5 seeds" in table["against plain"]["replay 5"]
    crossed = report.crossed(rows, encoder)
    assert crossed.shape == (len(CROSSED), 3) and not crossed.map(lambda cell: "nan" in cell).any(axis=None)


def test_every_remedy_of_every_seed_is_a_row_of_its_own():
    settings = command.test("minilm", {"plain": 3e-5, "replay 5": 1e-5}, [0, 1])
    assert len(set(settings)) == len(settings) == 2 * (len(REMEDIES) + 1)  # one of the two is a line already


def test_the_table_has_a_line_a_remedy_and_the_picture_a_point_a_draw():
    def row(remedy, seed, old, new):
        results = {"old": old, "new": new, "harmonic_mean": 0.5, "claimed": 0.1, "old_among_old": old}
        return {"settings": vars(Setting(remedy, seed)), "results": results, "minutes": 2.0}

    rows = [row("plain", 0, 0.2, 1.0), row("new row only", 0, 0.8, 0.9), row("plain", 1, 0.4, 0.9), row("odd", 0, 0, 0)]
    table = report.table(rows)
    assert table["old"]["plain"].mean == pytest.approx(0.3) and table["old"]["plain"].seeds == 2
    drawn = []
    report.picture(rows, then=lambda figure, alt: drawn.append(figure))
    lines = drawn[0].axes[0].get_lines()
    assert [(line.get_label(), len(line.get_xdata())) for line in lines] == [("plain", 2), ("new row only", 1)]
