"""What a chapter's notebook must look like, and what is wrong with one that does not.

A notebook is both a page and a test, so the guards ask two things: will it render everywhere (no stderr, no widgets,
small pictures with a text for those who cannot see them), and does it test something (claims, outputs that are
compared, cells run in order)? :func:`problems` answers both; it reads the file and runs nothing.
"""

from __future__ import annotations

import ast
import base64
import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbformat import NotebookNode

KERNELSPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}
LANGUAGE_INFO = {"name": "python"}

# Every tag that a cell may carry, and what it does. Beside these, ``tol-0.03`` sets the cell's float tolerance.
TAGS = {
    "nbval-ignore-output": "the output may differ from run to run: times, versions",
    "raises-exception": "the cell is meant to fail; what it raises is compared",
    "exercise": "a stub for the reader to complete",
    "solution": "the code that the student edition replaces by a stub",
    "check": "says whether the exercise above is solved",
    "hide-input": "the website folds the code",
    "hide-output": "the website folds the output",
    "remove-cell": "the website leaves the cell out",
}
TOLERANCE_TAG = re.compile(r"tol-(\d+(?:\.\d+)?(?:e-?\d+)?)")

NOTEBOOK_BYTES = 400_000
PICTURE_BYTES = 80_000
EXERCISES = 3
WORDS_A_MINUTE = 200
# The levels of exercises, and the minutes that a reader is given for each: a plan, not a measurement.
LEVELS = {"easy": 5, "medium": 10, "harder": 15, "open": 20}

# A folder of the machine that ran the notebook: noise for the reader, and different on the next machine.
MACHINE_PATH = re.compile(r"/(?:home|Users)/\w+|/root/|/tmp/|/var/folders/|[A-Z]:\\\\?Users|(?:site|dist)-packages")
TIME_LINE = re.compile(r"^\*\*Time\*\*.*$", re.MULTILINE)
EXERCISE = re.compile(r"^(?:#+ *|\*\*)Exercise +(\d+)(?: · (\w+))?", re.MULTILINE)
_HEADING = re.compile(r"^(#+) +(.*)$", re.MULTILINE)


def problems(path: Path) -> list[str]:
    """Everything that is wrong with the notebook at ``path``, one sentence each; empty if it is clean."""
    path = Path(path)
    try:
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
    except Exception as error:
        return [f"is not a valid notebook: {str(error).splitlines()[0]}"]
    return [*_size(path), *_metadata(notebook), *_testing(notebook), *_cells(notebook), *_exercises(notebook)]


def compared(cell: NotebookNode) -> bool:
    """Does the regression compare something in this cell's output that a reader would read?"""
    return (
        cell.cell_type == "code"
        and "nbval-ignore-output" not in tags(cell)
        and any(text.strip() for output in cell.outputs for text in texts(output))
    )


def tags(cell: NotebookNode) -> list[str]:
    """The tags of a cell."""
    return list(cell.metadata.get("tags", []))


def texts(output: NotebookNode) -> list[str]:
    """What an output says in words: standard output, an error's message, text, HTML; not the stand-in of a picture."""
    if output.output_type == "stream":
        return [output.text] if output.name == "stdout" else []
    if output.output_type == "error":
        return [output.evalue, *output.traceback]
    if pictures(output):
        return []
    return [value for kind, value in output.data.items() if kind.startswith("text/")]


def pictures(output: NotebookNode) -> dict[str, str]:
    """The pictures of an output: type to content."""
    return {kind: value for kind, value in output.get("data", {}).items() if kind.startswith("image/")}


def alt_text(output: NotebookNode) -> str:
    """What a picture says to those who cannot see it; empty if it says nothing."""
    alts = (output.metadata.get(kind, {}).get("alt", "") for kind in pictures(output))
    return next((alt.strip() for alt in alts if alt), "")


def time_line(seconds: int, minutes: int) -> str:
    """The line that tells the reader how long the chapter takes to run and to read.

    >>> time_line(35, 7)
    '**Time** · runs about 40 s on two CPU cores · 7 min to read'
    >>> time_line(80, 12)
    '**Time** · runs about 1.5 min on two CPU cores · 12 min to read'
    """
    runs = f"{max(-(-seconds // 10) * 10, 10)} s" if seconds < 60 else f"{round(seconds / 30) / 2:g} min"
    return f"**Time** · runs about {runs} on two CPU cores · {minutes} min to read"


def reading_minutes(cells: list[NotebookNode]) -> int:
    """Minutes to read the text cells, at 200 words a minute; the line that will say so does not count."""
    words = sum(len(TIME_LINE.sub("", cell.source).split()) for cell in cells if cell.cell_type == "markdown")
    return max(round(words / WORDS_A_MINUTE), 1)


def _code(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _size(path: Path) -> Iterator[str]:
    size = path.stat().st_size
    if size >= NOTEBOOK_BYTES:
        yield f"is {size / 1000:.0f} kB large; the limit is {NOTEBOOK_BYTES // 1000} kB"


def _metadata(notebook: NotebookNode) -> Iterator[str]:
    metadata = notebook.metadata
    if metadata.get("kernelspec") != KERNELSPEC:
        yield f"has the kernelspec {dict(metadata.get('kernelspec', {}))}; Colab opens only python3"
    if "widgets" in metadata:
        yield "carries widget state, which GitHub calls an invalid notebook"
    if unknown := sorted(set(metadata) - {"kernelspec", "language_info", "helpers", "widgets"}):
        yield f"has unknown metadata: {', '.join(unknown)}"
    seconds = metadata.get("helpers", {}).get("seconds")
    first = next((cell.source for cell in notebook.cells if cell.cell_type == "markdown"), "")
    line = TIME_LINE.search(first)
    if seconds is None:
        yield "was not run by `make notebooks`: its metadata does not say how many seconds it takes"
    elif line is None:
        yield "has no line that starts with **Time** in its first text cell"
    elif line[0] != (wanted := time_line(seconds, reading_minutes(notebook.cells))):
        yield f"says {line[0]!r} instead of {wanted!r}; `make format` writes it"


def _testing(notebook: NotebookNode) -> Iterator[str]:
    cells = _code(notebook)
    if not any(re.search(r"\bclaim\(", cell.source) for cell in cells):
        yield "claims nothing: no cell calls claim(...)"
    if not any(compared(cell) for cell in cells):
        yield "has no compared output, so the regression would test nothing"
    counts = [cell.execution_count for cell in cells]
    if counts != list(range(1, len(counts) + 1)):
        yield f"was not run from top to bottom: its execution counts are {counts}"


def _cells(notebook: NotebookNode) -> Iterator[str]:
    for number, cell in enumerate(notebook.cells, 1):
        found = [f"has the unknown tag {tag!r}" for tag in tags(cell) if not _known(tag)]
        if cell.cell_type == "code":
            found += _code_cell(cell)
        yield from (f"cell {number} {problem}" for problem in found)


def _known(tag: str) -> bool:
    return tag in TAGS or TOLERANCE_TAG.fullmatch(tag) is not None


def _code_cell(cell: NotebookNode) -> Iterator[str]:
    if re.search(r"#.*(NBVAL_|PYTEST_VALIDATE_)", cell.source):
        yield "steers nbval by a comment; use a tag"
    shown = [output for output in cell.outputs if pictures(output)]
    if len(shown) > 1:
        yield "shows more than one picture; the website has one alternative text a cell"
    for output in cell.outputs:
        if output.output_type == "error" and "raises-exception" not in tags(cell):
            yield f"stores an error: {output.ename}: {output.evalue}"
        if output.output_type == "stream" and output.name == "stderr":
            yield "stores standard error"
        if any("widget" in kind for kind in output.get("data", {})):
            yield "shows a widget"
        if path := MACHINE_PATH.search("\n".join(texts(output))):
            yield f"prints a path of the machine that ran it: {path[0]}"
    for output in shown:
        yield from _picture(output, cell)


def _picture(output: NotebookNode, cell: NotebookNode) -> Iterator[str]:
    for kind, content in pictures(output).items():
        size = len(content) if kind == "image/svg+xml" else len(base64.b64decode(content))
        if size >= PICTURE_BYTES:
            yield f"shows a picture of {size / 1000:.0f} kB; the limit is {PICTURE_BYTES // 1000} kB"
    alt = alt_text(output)
    if not alt:
        yield "shows a picture without alternative text"
    elif cell.metadata.get("mystnb", {}).get("image", {}).get("alt") != alt:
        yield "does not pass its picture's alternative text to the website; `make notebooks` does that"


def _defines_a_function(source: str) -> bool:
    try:
        return any(isinstance(node, ast.FunctionDef) for node in ast.parse(source).body)
    except SyntaxError:
        return False


def _exercises(notebook: NotebookNode) -> Iterator[str]:
    """Walk the section "Exercises": each begins with "Exercise 1" and has a solution, then a check."""
    exercises: list[list[str]] = []
    level = 0
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            for hashes, title in _HEADING.findall(cell.source):
                if title.strip().startswith("Exercises"):
                    level = len(hashes)
                elif len(hashes) <= level:
                    level = 0
            if level:
                for number, difficulty in EXERCISE.findall(cell.source):
                    exercises.append([])
                    if difficulty not in LEVELS:
                        yield f"exercise {number} does not say how hard it is: {', '.join(LEVELS)}"
        elif level and exercises:
            if "solution" in tags(cell) and not _defines_a_function(cell.source):
                yield f"exercise {len(exercises)} is solved without a function, so there is no stub to make of it"
            exercises[-1] += [tag for tag in tags(cell) if tag in ("solution", "check")]
    if len(exercises) < EXERCISES:
        yield f'has {len(exercises)} exercises ("Exercise 1" … under a heading "Exercises"); {EXERCISES} are needed'
    for number, parts in enumerate(exercises, 1):
        if "solution" not in parts or "check" not in parts[parts.index("solution") :]:
            yield f"exercise {number} needs a cell tagged `solution` and, after it, a cell tagged `check`"
