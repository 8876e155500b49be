"""The three ways to use an encoder, on the small world."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from experiments.further_pretraining import __main__ as command
from experiments.further_pretraining import measure, report
from experiments.further_pretraining.setting import WAYS, Setting, settings
from helpers import data, models


def test_sentences_are_of_the_eight_libraries_and_long_enough(world):
    setting = Setting(world, "full", 0, 0, 8, 1)
    rows = measure.sentences("train", setting)
    assert data.labels(rows) == list(measure.LIBRARIES)
    assert len(rows) == 8 * 6
    assert min(len(text.split()) for text in rows["text"]) >= setting.min_words


def test_further_pretraining_changes_the_encoder_and_lowers_the_loss(world, tmp_path):
    results = measure.measure(Setting(world, "further", 0, 20, 0, 0, further_learning_rate=1e-2), tmp_path)
    assert results["masked_loss_after"] < results["masked_loss_before"]
    assert results["seconds"] >= 0
    (folder,) = tmp_path.iterdir()
    before, after = (models.load(str(path)).state_dict() for path in (world, folder))
    assert not torch.equal(before["embeddings.word_embeddings.weight"], after["embeddings.word_embeddings.weight"])


@pytest.mark.parametrize("way", WAYS)
def test_each_way_learns_what_the_words_tell(world, tmp_path, way):
    results = measure.measure(Setting(world, way, 0, 2, 6, 12, learning_rate=1e-2), tmp_path)
    assert results["accuracy"] > 0.3  # chance is one in eight
    assert results["right"].count("1") / len(results["right"]) == pytest.approx(results["accuracy"], abs=1e-3)
    assert results["low"] <= results["accuracy"] <= results["high"]
    # Only one way pretrains further, and keeps what it made.
    assert len(list(tmp_path.iterdir())) == (way == "further")


def test_a_kept_encoder_is_used_again_and_a_lost_one_is_made_again(world, tmp_path):
    setting = Setting(world, "further", 0, 2, 2, 1)
    first = measure.measure(setting, tmp_path)
    (folder,) = tmp_path.iterdir()
    made = (Path(folder) / "model.safetensors").stat().st_mtime_ns
    again = measure.measure(setting, tmp_path)
    assert (Path(folder) / "model.safetensors").stat().st_mtime_ns == made
    shutil.rmtree(folder)
    once_more = measure.measure(setting, tmp_path)
    assert first["right"] == again["right"] == once_more["right"]


def test_the_settings_name_every_row_once():
    rows = settings("minilm", (0, 1), 5, (8, 32))
    assert len(rows) == len(set(rows)) == 2 * (1 + 3 * 2)


def test_the_command_writes_the_rows_and_prints_the_table(world, tmp_path, capsys):
    options = ["--encoder", world, "--seeds", "0", "1", "--steps=2", "--per-class", "2", "4"]
    options += [f"--folder={tmp_path / 'kept'}", f"--output={tmp_path / 'rows.json'}"]
    command.main(options)
    rows = json.loads((tmp_path / "rows.json").read_text(encoding="utf-8"))
    assert len(rows) == 2 * (1 + 3 * 2)
    printed = capsys.readouterr().out
    assert all(way in printed for way in WAYS) and "masked accuracy" in printed
    command.main(options)  # nothing is measured again
    assert json.loads((tmp_path / "rows.json").read_text(encoding="utf-8")) == rows
    drawn = []
    report.picture(rows, then=lambda figure, alt: drawn.append(figure))
    assert [line.get_label() for line in drawn[0].axes[0].get_lines()] == list(WAYS)
