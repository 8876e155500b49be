from __future__ import annotations

import pytest

from experiments.kit import folders


def test_a_folder_takes_the_place_of_the_old_one(tmp_path):
    folder = tmp_path / "deep" / "folder"
    for text in ("old", "new"):
        with folders.whole(folder) as new:
            (new / f"{text}.txt").write_text(text, encoding="utf-8")
    assert [file.name for file in folder.iterdir()] == ["new.txt"]
    assert list(folder.parent.iterdir()) == [folder]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_a_block_that_raises_leaves_the_old_folder_and_nothing_else(tmp_path, error):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "old.txt").write_text("old", encoding="utf-8")
    with pytest.raises(error), folders.whole(folder) as new:
        (new / "half.txt").write_text("half", encoding="utf-8")
        raise error
    assert [file.relative_to(tmp_path).as_posix() for file in tmp_path.rglob("*")] == ["folder", "folder/old.txt"]
