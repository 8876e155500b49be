"""Prose out of source files: the docstrings of an installed library, cut into sentences.

Files are read and parsed with ``ast``; nothing of a library is imported or run. What stays of a docstring is what a
person would read aloud: no examples, parameter tables, formulas, tables, links or markup. ``documentation`` next door
makes a data set of it.
"""

from __future__ import annotations

import ast
import gc
import importlib.util
import inspect
import json
import re
import sys
import sysconfig
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path

# Folders and files whose docstrings are about other things than the library, or copied from another one.
SKIPPED_PARTS = re.compile(
    r"tests?|testing|_?_?pycache__|_?vendor(ed)?|_testing|_internal_testing|extern(als?)?|idlelib|lib2to3|"
    r"ensurepip|site-packages|dist-packages|benchmarks?|examples?|conftest|test_.*|.*_test|_pyrepl|pydoc_data|turtledemo"
)
# Functions with which libraries attach docstrings to what is written in C: (..., "docstring").
ATTACHED_BY = re.compile(r"add_docstr|_add_docstr|add_newdoc|_add_newdoc.*|set_module_doc")

WORDS = range(5, 61)

# Sections of a docstring, by title: numpydoc's ("Notes" over a line of dashes), Google's ("Note:") and reST's
# directives (".. note::"). The text of the first kind is prose; of the second, what is indented under each name.
PROSE = {"note", "notes", "warning", "warnings", "tip", "important", "caution", "hint", "remark", "attention", "info"}
ENTRIES = {
    "parameters", "other parameters", "params", "args", "arguments", "keyword args", "keyword arguments", "returns",
    "return", "yields", "receives", "raises", "warns", "attributes", "inputs", "input", "outputs", "output", "shape",
}  # fmt: skip
OTHERS = {"examples", "example", "see also", "references", "methods", "usage", "todo"}
UNDERLINE = re.compile(r"([=\-~^\"'#*+])\1{2,}\s*$")
HEADING = re.compile(r"\*{0,2}([A-Z][A-Za-z]*(?: [A-Za-z]+){0,2})\*{0,2}:\s*$")
DIRECTIVE = re.compile(r"\.\. ?([\w:-]*?)::? ?(.*)$")
FIELD = re.compile(r":\w+[^:`]*:( |$)|@\w+|\w+\s?:\s\w+(, \w+)*$|\[[A-Z]\w+ ?\w*\]$|!!!|<[/\w]")
ENTRY = re.compile(r"[*`\w.,\\ ]{1,60}?(\s*\(.*?\)+)?\s*(:|--?|–)(\s+|$)")
BULLET = re.compile(r"\s*([-*•+]|\(?\w{1,2}[.)]|#\.)\s+")

ROLE = re.compile(r":[\w:+-]+:`~?([^`<]*?)\s*(?:<[^`>]*>)?`")
LINK = re.compile(r"!?\[([^\]]+)\]\([^)]*\)|`([^`<]+?)\s*<[^`>]*>`__?|\[`~?([\w.]+)`\](?!_)")
QUOTED = re.compile(r"`{1,2}~?([^`]+)`{1,2}_{0,2}|\*{1,2}([^*\s][^*]*?)\*{1,2}(?!\w)")
FOOTNOTE = re.compile(r"\s*\[[\w#*]+\]_|\s*\[\d+\]")
SENTENCE_END = re.compile(
    r"(?<=[.!?])(?<!e\.g\.)(?<!i\.e\.)(?<!etc\.)(?<!cf\.)(?<!vs\.)(?<!al\.)(?<!Fig\.)(?<!Eq\.)"
    r"(?<![ (][A-Za-z]\.)[\"')\]]*\s+(?=[\"'(]?[A-Za-z0-9])"
)
NOT_PROSE = re.compile(r"[\\{}|<>=$^#@~;`]|://|www\.|\.\.\.|::|__|--|\w\(|\d{5}|\bTODO\b|\bFIXME\b|Copyright|License")
PLAIN_WORD = re.compile(r"[\"'(\[]*[A-Za-z]+(?:['’-][A-Za-z]+)*[\"')\]]*[.,:!?]*[\"')\]]*$")


def sentences(docstring: str) -> list[str]:
    """The prose sentences of one docstring, in order; most docstrings of private helpers have none.

    >>> sentences('''Return the :func:`~math.sqrt` of each *number* in a list.
    ...
    ...     >>> roots([4])
    ... ''')
    ['Return the sqrt of each number in a list.']
    """
    found = []
    for paragraph in _paragraphs(docstring):
        for sentence in SENTENCE_END.split(_plain(paragraph)):
            sentence = sentence.strip()
            words = sentence.split()
            if (
                len(words) in WORDS
                and sentence.endswith((".", "!", "?"))
                and sentence[0].isupper()
                and sentence.isascii()
                and not NOT_PROSE.search(sentence)
                and sum(map(bool, map(PLAIN_WORD.match, words))) >= 0.8 * len(words)
            ):
                found.append(sentence)
    return found


def documents(file: Path, module: str) -> Iterator[tuple[str, list[str]]]:
    """Every docstring of a source file that has prose: (dotted name of its object, its sentences), in file order.

    A file that Python cannot parse (a template, another version's syntax) has none.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes and the like are the library's affair
            tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError, OSError, RecursionError, MemoryError):
        return
    for name, docstring in _docstrings(tree, module):
        prose = sentences(docstring)
        if prose:
            yield name, prose


def files(library: str) -> list[tuple[Path, str]]:
    """The source files of an installed library with their dotted names, in an order that mixes its parts.

    ``"stdlib"`` is the standard library. A library that is not installed has no files.
    """
    if library == "stdlib":
        root, prefix = Path(sysconfig.get_paths()["stdlib"]), ""
    else:
        try:
            spec = importlib.util.find_spec(library)
        except (ImportError, ValueError):
            spec = None
        if spec is None or not spec.submodule_search_locations:
            return []
        root, prefix = Path(next(iter(spec.submodule_search_locations))), library
    found = []
    for file in root.rglob("*.py"):
        parts = file.relative_to(root).with_suffix("").parts
        if not any(SKIPPED_PARTS.fullmatch(part) for part in parts):
            inner = parts[:-1] if parts[-1] == "__init__" else parts
            found.append((file, ".".join((prefix, *inner) if prefix else inner) or library))
    return sorted(found, key=lambda pair: (zlib.crc32(pair[1].encode()), pair[1]))


def harvest(library: str, limit: int) -> list[tuple[str, list[str]]]:
    """Documents of a library until they hold ``limit`` sentences, none of them twice; see :func:`documents`.

    Of several objects with one name (a property and its setter), the first counts.
    """
    seen: set[str] = set()
    names: set[str] = set()
    found: list[tuple[str, list[str]]] = []
    for file, module in files(library):
        for name, prose in documents(file, module):
            fresh = [sentence for sentence in prose if not _seen(sentence, seen)]
            if fresh and name not in names:
                found.append((name, fresh))
                names.add(name)
        if len(seen) >= limit:
            break
    return found


def key(sentence: str) -> str:
    """What two copies of a sentence have in common: its letters, without case, digits, spaces and punctuation."""
    return re.sub(r"[^a-z]+", " ", sentence.lower()).strip()


def main() -> None:
    """Print the documents of the library in ``sys.argv[1]``, one JSON list a line; ``sys.argv[2]`` is the limit."""
    gc.disable()  # syntax trees are many small objects without cycles; looking for garbage costs a sixth of the time
    for document in harvest(sys.argv[1], int(sys.argv[2])):
        print(json.dumps(document))


def _seen(sentence: str, seen: set[str]) -> bool:
    before = len(seen)
    seen.add(key(sentence))
    return len(seen) == before


def _docstrings(node: ast.AST, name: str) -> Iterator[tuple[str, str]]:
    for child in (node, *getattr(node, "body", ())):
        if child is node:
            docstring = ast.get_docstring(node, clean=False)
            if docstring:
                yield name, docstring
        elif isinstance(child, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            yield from _docstrings(child, f"{name}.{child.name}")
        elif isinstance(child, ast.Expr) and isinstance(child.value, ast.Call):
            yield from _attached(child.value, name)


def _attached(call: ast.Call, name: str) -> Iterator[tuple[str, str]]:
    if not ATTACHED_BY.fullmatch(getattr(call.func, "attr", getattr(call.func, "id", ""))) or len(call.args) < 2:
        return
    *target, last = call.args
    if isinstance(last, (ast.Tuple, ast.List)) and last.elts:
        last = last.elts[-1]
    if isinstance(last, ast.Call) and isinstance(last.func, ast.Attribute):  # r"""...""".format(...)
        last = last.func.value
    if isinstance(last, ast.Constant) and isinstance(last.value, str):
        of = target[-1]
        yield f"{name}.{str(of.value) if isinstance(of, ast.Constant) else ast.unparse(of)}", last.value


def _paragraphs(docstring: str) -> Iterator[str]:
    """The paragraphs of prose in a docstring, each as one line of text, markup still inside."""
    paragraph: list[str] = []
    for line in (*_prose_lines(inspect.cleandoc(docstring).splitlines()), None):
        if line is None or BULLET.match(line):
            if paragraph:
                yield " ".join(paragraph)
            paragraph = []
            line = BULLET.sub("", line, count=1) if line else None
        if line:
            paragraph.append(line)


def _prose_lines(lines: list[str]) -> Iterator[str | None]:
    """The stripped lines of prose; ``None`` where a paragraph ends or something was left out."""
    section, margin = PROSE, 0  # what kind of section this is, and how far its heading is indented (-1: numpydoc)
    fenced = skipping = False
    for line, following in zip(lines, [*lines[1:], ""], strict=False):
        text, indent = line.strip(), len(line) - len(line.lstrip())
        if text.startswith(("```", "~~~")):
            fenced = not fenced
            yield None
            continue
        if not text:
            skipping = False
        if fenced or skipping or not text or UNDERLINE.match(text):
            yield None
            continue
        if section is not PROSE and indent <= margin:
            section, margin = PROSE, indent
        heading, directive = HEADING.match(text), DIRECTIVE.match(text)
        title = (heading[1] if heading else directive[1] if directive else text).lower().rstrip(":")
        if UNDERLINE.match(following.strip()) and indent == 0:
            # An unknown title is a heading of the text itself.
            section, margin = _section(title, PROSE), (0 if _section(title, PROSE) is PROSE else -1)
        elif heading and (title in PROSE | ENTRIES | OTHERS):
            section, margin = _section(title, OTHERS), indent
            margin = indent + 4 if section is PROSE else indent
        elif directive:
            if _section(title, OTHERS) is PROSE:
                margin = indent + 4
                yield directive[2]
                continue
            skipping = True
        elif text.startswith(">>>"):
            skipping = True
        elif section is ENTRIES:
            if indent == 0:
                yield None
                continue
            entry = ENTRY.match(text)
            if entry:
                yield None
                text = text[entry.end() :]
            yield text or None
            continue
        elif section is PROSE and not FIELD.match(text):
            if indent < margin:
                margin = indent
            if indent <= margin + 4:
                yield text
                continue
        yield None


def _section(title: str, unknown: set[str]) -> set[str]:
    return next((kind for kind in (PROSE, ENTRIES, OTHERS) if title in kind), unknown)


def _plain(text: str) -> str:
    """Text without reST and Markdown markup."""
    text = ROLE.sub(lambda m: m[1].rpartition(".")[2] if "~" in m[0] else m[1].strip(), text)
    text = FOOTNOTE.sub("", text)
    text = LINK.sub(lambda m: m[1] or m[2] or m[3].rpartition(".")[2], text)
    text = QUOTED.sub(lambda m: m[1] or m[2], text)
    return " ".join(text.split()).replace("’", "'").replace("“", '"').replace("”", '"')
