"""Running, cleaning and listing notebooks, and the kernels they run on."""

from __future__ import annotations

import json
from pathlib import Path

import IPython
import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell, new_output

import helpers
from tests.samples import clean_notebook, code, notebook, png, stdout, write
from tools import kernels, notebooks
from tools.hygiene import time_line

MESSY = """\
import json, pathlib, sys
print("one")
print("a warning", file=sys.stderr)
print("two", pathlib.Path("beside.txt").read_text())"""
DRAWS = f"""\
point = {{"image/png": {png()!r}}}
display(point, raw=True, metadata={{"image/png": {{"alt": "A point"}}}})"""


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The path of a messy notebook after it was executed."""
    folder = tmp_path_factory.mktemp("chapter")
    (folder / "beside.txt").write_text("three")
    messy = notebook(
        new_markdown_cell("# A chapter\n\n**Time** · to be measured\n\n**Time** stays here"),
        code(MESSY, stdout("an old output")),
        code(DRAWS),
        code("json.loads('{')", tags=("raises-exception",)),
        code("6 * 7"),
    )
    messy.cells[1].metadata.update(execution={"iopub.status.busy": "2026"}, collapsed=False)
    messy.metadata.update(widgets={}, kernelspec={"name": "conda-env", "display_name": "x"}, colab={})
    path = write(messy, folder / "chapter.ipynb")
    assert notebooks.main(["execute", str(path)]) == 0
    return path


@pytest.fixture
def result(executed: Path) -> NotebookNode:
    return nbformat.read(executed, as_version=4)


def test_outputs_are_stored_without_standard_error_and_in_one_piece(result: NotebookNode):
    assert result.cells[1].outputs == [stdout("one\ntwo three\n")]
    assert result.cells[4].outputs[0].data == {"text/plain": "42"}


def test_cells_are_counted(result: NotebookNode):
    assert [cell.execution_count for cell in result.cells[1:]] == [1, 2, 3, 4]


def test_metadata_is_reduced(result: NotebookNode):
    assert result.metadata == {
        "helpers": {"seconds": result.metadata.helpers.seconds},
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    assert result.cells[1].metadata == {}
    assert result.cells[3].metadata == {"tags": ["raises-exception"]}


def test_alternative_text_reaches_the_website(result: NotebookNode):
    assert result.cells[2].outputs[0].metadata == {"image/png": {"alt": "A point"}}
    assert result.cells[2].metadata == {"mystnb": {"image": {"alt": "A point"}}}


@pytest.mark.skipif(IPython.version_info < (8,), reason="chapters are stored with IPython 8 or newer")
def test_an_intended_error_keeps_its_cell_and_message_but_no_library_frames(result: NotebookNode):
    (output,) = result.cells[3].outputs
    shown = "\n".join(output.traceback)
    assert output.ename == "JSONDecodeError"
    assert "In[3]" in shown
    assert "Expecting property name" in shown
    assert "decoder.py" not in shown


def test_the_measured_time_is_stored_and_told(result: NotebookNode):
    seconds = result.metadata.helpers.seconds
    assert seconds % 5 == 0
    assert seconds >= 5
    assert result.cells[0].source == f"# A chapter\n\n{time_line(seconds, 1)}\n\n**Time** stays here"


def test_a_clean_notebook_stays_as_it_is(executed: Path):
    before = executed.read_bytes()
    assert notebooks.clean(executed) is False
    assert executed.read_bytes() == before


def test_no_temporary_file_is_left(executed: Path):
    assert sorted(path.name for path in executed.parent.iterdir()) == ["beside.txt", "chapter.ipynb"]


def test_a_failing_notebook_keeps_its_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = write(notebook(code("x = 1", stdout("old")), code("print('so far')\n1 / 0")), tmp_path / "a.ipynb")
    before = path.read_bytes()
    assert notebooks.main(["execute", str(path)]) == 1
    told = capsys.readouterr().err
    assert path.read_bytes() == before
    assert all(part in told for part in ("cell 2 of 2", "1 / 0", "so far", "ZeroDivisionError"))


def test_cleaning_removes_what_executing_removes(tmp_path: Path):
    dirty = clean_notebook()
    dirty.cells[1].outputs.append(new_output("stream", name="stderr", text="a warning"))
    dirty.metadata.widgets = {}
    dirty.cells[2].metadata.mystnb.image.alt = "an old text"
    path = write(dirty, tmp_path / "chapter.ipynb")
    assert notebooks.clean(path) is True
    assert notebooks.clean(path) is False
    assert nbformat.read(path, as_version=4) == nbformat.from_dict(_with_ids_of(clean_notebook(), dirty))


def test_cells_without_an_identifier_get_a_lasting_one(tmp_path: Path):
    old = clean_notebook()
    for cell in old.cells:
        del cell["id"]
    old.nbformat_minor = 4
    path = tmp_path / "chapter.ipynb"
    path.write_text(json.dumps(old))
    assert notebooks.clean(path) is True
    first = [cell.id for cell in nbformat.read(path, as_version=4).cells]
    assert notebooks.clean(path) is False
    assert len(set(first)) == len(first)


def test_the_install_cell_is_made_of_address_and_version(tmp_path: Path):
    old = code("import sys\n\nif 'google.colab' in sys.modules:\n    %pip install elsewhere")
    path = write(notebook(old, code("'google.colab'")), tmp_path / "chapter.ipynb")
    notebooks.clean(path)
    first, second = nbformat.read(path, as_version=4).cells
    assert first.source == notebooks.install_cell()
    assert second.source == "'google.colab'"
    assert f"@v{helpers.__version__}" in first.source


def test_check_lists_problems_and_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = write(clean_notebook(), tmp_path / "chapter.ipynb")
    assert notebooks.main(["check", str(path)]) == 0
    broken = clean_notebook()
    broken.cells[1].outputs = []
    write(broken, path)
    assert notebooks.main(["check", str(tmp_path)]) == 1
    assert f"{path}: has no compared output" in capsys.readouterr().out


def test_chapters_are_listed_in_reading_order_without_copies(tmp_path: Path):
    for name in ("b/01_x.ipynb", "a/02_y.ipynb", "a/01_z.ipynb", "_build/c.ipynb", "a/.ipynb_checkpoints/d.ipynb"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    names = [path.relative_to(tmp_path).as_posix() for path in notebooks.chapters(tmp_path)]
    assert names == ["a/01_z.ipynb", "a/02_y.ipynb", "b/01_x.ipynb"]


@pytest.mark.parametrize("arguments", [["check", "nowhere.ipynb"], ["check", "x", "--kernel", "y"], ["run"]])
def test_a_wrong_command_line_is_refused(arguments: list[str]):
    with pytest.raises(SystemExit) as stopped:
        notebooks.main(arguments)
    assert stopped.value.code == 2


@pytest.mark.parametrize(
    ("seconds", "told"), [(5, "10 s"), (35, "40 s"), (55, "60 s"), (60, "1 min"), (80, "1.5 min"), (120, "2 min")]
)
def test_times_are_rounded_for_readers(seconds: int, told: str):
    assert time_line(seconds, 7) == f"**Time** · runs about {told} on two CPU cores · 7 min to read"


def test_two_kernels_are_installed(tmp_path: Path):
    folders = kernels.install(tmp_path)
    cpu, gpu = (json.loads((folder / "kernel.json").read_text()) for folder in folders)
    assert [folder.relative_to(tmp_path / "share/jupyter/kernels").name for folder in folders] == [
        "helpers-cpu",
        "helpers-gpu",
    ]
    assert cpu["env"] == {"CUDA_VISIBLE_DEVICES": "", "HELPERS_DEVICE": "cpu"}
    assert gpu["env"] == {"HELPERS_DEVICE": "cuda"}
    assert cpu["argv"][1:3] == ["-m", "ipykernel_launcher"]


def test_without_a_gpu_the_gpu_kernel_fails_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert kernels.main(["require-gpu"]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert kernels.main(["require-gpu"]) == 0


def _with_ids_of(notebook: NotebookNode, other: NotebookNode) -> NotebookNode:
    for cell, named in zip(notebook.cells, other.cells, strict=True):
        cell["id"] = named["id"]
    return notebook
