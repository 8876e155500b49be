"""What the website adds to Jupyter Book (book/_ext), on a book of one page built without the theme."""

from __future__ import annotations

import io
import json
import sys
from types import SimpleNamespace

import nbformat
import pandas as pd
import pytest

from helpers import figures

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAEklEQVR4nGP4z8CAFWEXHbQSACj/P8Fu7N9hAAAAAElFTkSuQmCC"


@pytest.fixture
def build(tmp_path, book_site):
    """Build ``index.md`` beside one chapter, ``chapter.ipynb``; gives the index's HTML and the warnings."""
    from sphinx.application import Sphinx
    from sphinx.util.docutils import docutils_namespace

    source, output = tmp_path / "book", tmp_path / "_build" / "html"
    (source / "evidence").mkdir(parents=True)
    nbformat.write(_chapter(), source / "chapter.ipynb")

    def run(index: str) -> tuple[str, str]:
        toc = "root: index\nparts:\n  - caption: The part\n    chapters:\n      - file: chapter\n"
        (source / "_toc.yml").write_text(toc, encoding="utf-8")
        (source / "index.md").write_text(f"# Index\n\n{index}\n\n```{{toctree}}\nchapter\n```\n", encoding="utf-8")
        settings = {
            "extensions": ["myst_nb", "book_site"],
            "html_math_renderer": "mathml",
            "html_baseurl": "https://example.org/book/",
            "myst_enable_extensions": ["dollarmath", "amsmath"],
            "nb_execution_mode": "off",
            "project": "Book",
        }
        warnings = io.StringIO()
        with docutils_namespace():
            app = Sphinx(source, None, output, tmp_path / "_doctrees", "html", settings, None, warnings, freshenv=True)
            app.build()
        return (output / "index.html").read_text(encoding="utf-8"), warnings.getvalue()

    return run


def _chapter() -> nbformat.NotebookNode:
    v4 = nbformat.v4
    claims = "✔ Water is wet   wetness=1\n✔ Ice is cold   kelvin=250\n"
    cells = [
        v4.new_markdown_cell("# The chapter\n\nIt has a first sentence.\n\n*Why?*"),
        v4.new_code_cell("claim(...)", outputs=[v4.new_output("stream", name="stdout", text=claims)]),
        v4.new_code_cell("print(1)", outputs=[v4.new_output("stream", name="stdout", text="1\n")]),
        v4.new_code_cell("answer = 42", metadata={"tags": ["solution"]}),
        v4.new_code_cell(
            "draw()",
            outputs=[
                v4.new_output(
                    "display_data", {"image/png": PIXEL}, metadata={"image/png": {"alt": "A dot in the dark."}}
                )
            ],
        ),
    ]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return v4.new_notebook(cells=cells, metadata=kernel)


def test_solutions_are_folded_and_claims_marked(build, tmp_path):
    _, warnings = build("")
    page = (tmp_path / "_build" / "html" / "chapter.html").read_text(encoding="utf-8")
    assert warnings == ""
    folded = page[page.index("<details") : page.index("</details>")]
    assert "Show the solution" in folded
    assert "42" in folded
    assert page.count("<details") == 1
    assert page.count("stream claim") == 1  # and not the other output


def test_a_link_to_a_page_has_a_preview(build, tmp_path):
    build("")
    page = (tmp_path / "_build" / "html" / "chapter.html").read_text(encoding="utf-8")
    assert '<meta property="og:title" content="The chapter">' in page
    assert '<meta property="og:description" content="It has a first sentence.">' in page
    assert '<meta property="og:url" content="https://example.org/book/chapter.html">' in page


def test_results_are_quoted_from_the_chapter(build, tmp_path):
    page, warnings = build(
        "```{chapter-figure} chapter\n:alt: in the dark\n```\n\n```{chapter-claims} chapter\n:containing: Ice\n```"
    )
    assert warnings == ""
    assert "Ice is cold   kelvin=250" in page
    assert "Water" not in page
    assert 'alt="A dot in the dark."' in page
    assert len(list((tmp_path / "_build" / "html" / "_images").glob("*.png"))) == 1
    assert 'href="chapter.html"' in page


@pytest.mark.parametrize(
    ("directive", "complaint"),
    [
        ("```{chapter-figure} chapter\n:alt: a horse\n```", "no picture of chapter has 'a horse'"),
        ("```{chapter-claims} chapter\n:containing: a horse\n```", "no claim of chapter contains 'a horse'"),
        ("```{chapter-claims} elsewhere\n```", "there is no chapter elsewhere"),
    ],
)
def test_a_result_that_is_gone_warns(build, directive, complaint):
    _, warnings = build(directive)
    assert complaint in warnings


def test_the_ledger_lists_every_claim_with_value_and_place_and_when_it_falls(build, tmp_path):
    falls = {"chapter": "chapter", "fault": "fit trains nothing", "fell": ["Water is wet"]}
    (tmp_path / "book" / "evidence" / "doubt.json").write_text(json.dumps([falls]), encoding="utf-8")
    page, warnings = build("```{ledger}\n```")
    assert not warnings
    assert "2 claims in 1 chapters; 1 of them were seen failing, 1 not yet." in page
    assert page.count("falls when: fit trains nothing") == page.count("not yet seen failing") == 1
    for part in (
        "The chapter (The part)",
        "Water is wet",
        "wetness=1",
        "kelvin=250",
        'href="chapter.html#the-chapter"',
    ):
        assert part in page


def test_the_ledger_links_the_evidence_that_a_chapter_names(build, tmp_path):
    path = tmp_path / "book" / "chapter.ipynb"
    chapter = path.read_text(encoding="utf-8")
    path.write_text(chapter.replace("*Why?*", "*Why?*\\n\\n[See](evidence/some.md)."), encoding="utf-8")
    (tmp_path / "book" / "evidence" / "some.md").write_text(
        "---\norphan: true\n---\n# Water on a scale\n", encoding="utf-8"
    )
    page, warnings = build("```{ledger}\n```")
    assert not warnings
    assert "At full scale: " in page
    assert 'href="evidence/some.html"' in page and "Water on a scale" in page


@pytest.fixture
def some(tmp_path, monkeypatch):
    """Stores the rows of an experiment called some, whose report has these functions."""

    def store(**functions):
        monkeypatch.setitem(sys.modules, "experiments.some.report", SimpleNamespace(**functions))
        (tmp_path / "book" / "evidence" / "some.json").write_text(json.dumps(ROWS), encoding="utf-8")

    return store


def test_a_picture_is_drawn_of_the_rows(build, some):
    def draw(rows, then):
        with figures.figure("Rates differ", f"{len(rows)} points.", then=then) as axes:
            axes.plot([row["settings"]["seed"] for row in rows], ".")

    some(draw=draw)
    page, warnings = build("```{evidence} some\n:picture: draw\n```")
    assert not warnings
    assert 'alt="2 points."' in page


def test_a_claim_without_a_value_warns(build, tmp_path):
    path = tmp_path / "book" / "chapter.ipynb"
    path.write_text(path.read_text(encoding="utf-8").replace("   wetness=1", ""), encoding="utf-8")
    assert "chapter: a claim without a value: Water is wet" in build("```{ledger}\n```")[1]


def test_the_times_of_the_chapters(build):
    page, warnings = build("```{chapter-times}\n```")
    assert not warnings
    assert "<p>1 min</p>" in page
    assert "<p>0 s</p>" in page


@pytest.fixture
def workshop(tmp_path):
    """Writes the two files of ``book/workshop``."""

    def write(schedules: str = "", notes: str = "") -> None:
        folder = tmp_path / "book" / "workshop"
        folder.mkdir()
        (folder / "schedules.yml").write_text(schedules, encoding="utf-8")
        (folder / "notes.yml").write_text(notes, encoding="utf-8")

    return write


PLAN = "short:\n  hours: {hours}\n  blocks:\n    - {{break: 65}}\n    - {{chapter: {chapter}, exercises: []}}\n"


def test_a_plan_counts_its_minutes(build, workshop):
    workshop(PLAN.format(hours=1.2, chapter="chapter"))
    page, warnings = build("```{schedule} short\n```")
    assert not warnings
    for part in ("<p>0:00</p>", "<p>Break</p>", "<p>1:05</p>", "1.1 hours with breaks, of 1.2 planned."):
        assert part in page


@pytest.mark.parametrize(
    ("plan", "complaint"),
    [
        (PLAN.format(hours=1, chapter="chapter"), "the plan short takes 1.1 hours, not 1"),
        (PLAN.format(hours=2, chapter="chapter"), "the plan short takes 1.1 hours, not 2"),
        (PLAN.format(hours=2, chapter="elsewhere"), "names elsewhere, which is no chapter"),
        ("long: {}", "there is no plan short; there are long"),
    ],
)
def test_a_plan_that_does_not_work_warns(build, workshop, plan, complaint):
    workshop(plan)
    assert complaint in build("```{schedule} short\n```")[1]


def test_what_instructors_read_of_a_chapter(build, workshop):
    note = "chapter:\n  misconceptions: ['It *thinks*.']\n  quiz: [{question: 'Why?', answer: 'Because.'}]\n"
    workshop(notes=note)
    page, warnings = build("```{teaching-notes}\n```\n\n## Quiz\n\n```{quiz}\n```")
    assert not warnings
    for part in ("It <em>thinks</em>.", "Why?", "<summary>Answer</summary>", "Because."):
        assert part in page


def test_a_chapter_without_notes_warns(build, workshop):
    workshop(notes="{}")
    assert "workshop/notes.yml says nothing of chapter" in build("```{teaching-notes}\n```")[1]


ROWS = [
    {
        "settings": {"rate": 2e-5, "seed": seed},
        "results": {"accuracy": accuracy},
        "minutes": 1.5,
        "device": "CPU",
        "precision": "bf16",
        "versions": {"torch": "2.13.0"},
        "command": "python -m experiments.some",
    }
    for seed, accuracy in ((0, 0.75), (1, 0.85))
]


def _table(rows):
    """As an experiment makes it: one line a rate, its mean over the seeds."""
    values = [row["results"]["accuracy"] for row in rows]
    return pd.DataFrame(
        {"accuracy": [sum(values) / len(values)], "spread": [None]}, index=pd.Index([2e-5], name="rate")
    )


def test_a_measured_table_says_where_it_comes_from(build, some):
    some(table=_table)
    page, warnings = build("```{evidence} some\n```")
    assert not warnings
    for part in (
        "<p>rate</p>",
        "<p>2e-05</p>",
        "<p>0.800</p>",
        "<p>–</p>",
        "2 runs, 2 seeds · 3 minutes on CPU · bf16",
    ):
        assert part in page
    assert "experiments.some</span>" in page


def test_a_measured_table_may_take_words(build, some):
    some(chosen=lambda rows, *words: pd.DataFrame({"words": [" and ".join(words)]}))
    page, warnings = build("```{evidence} some\n:table: chosen pocket told\n```")
    assert not warnings
    assert "<p>pocket and told</p>" in page


def test_evidence_that_is_not_there_warns(build):
    assert "there is no result of some in some.json" in build("```{evidence} some\n```")[1]


def test_a_page_knows_the_size_of_its_pictures(build, tmp_path):
    page, _ = build("```{chapter-figure} chapter\n:alt: in the dark\n```")
    assert 'width="8" height="8"' in page


def test_other_pictures_are_left_alone(book_site, tmp_path):
    with_sizes = book_site("sizes").with_sizes
    for image in ('<img src="no.png">', '<img style="width: 3em" src="a.png"/>', '<img src="https://x.org/a.png">'):
        assert with_sizes(image, tmp_path) == image


def test_formulas_become_mathml(build):
    page, warnings = build(
        r"Half is $\frac{1}{2}$."
        "\n\n"
        r"$$\begin{aligned} a &= b \\ c &= \hat d\end{aligned}$$ (eq-one)"
        "\n\n{eq}`eq-one`"
    )
    assert warnings == ""
    assert "<mfrac><mrow><mn>1</mn></mrow><mrow><mn>2</mn></mrow></mfrac>" in page
    assert page.count("<mtr>") == 2
    assert 'id="equation-eq-one"' in page
    assert "(1)" in page
    assert "tex-mml-chtml" not in page


@pytest.mark.parametrize("formula", [r"\nosuchmacro x", r"\left( x", r"\begin{nosuch} a & b \end{nosuch}"])
def test_a_formula_that_cannot_be_set_warns(build, formula):
    _, warnings = build(f"$${formula}$$")
    assert "cannot set the formula" in warnings


def test_only_the_search_page_loads_the_search_index(tmp_path, book_site):
    drop_search_index = book_site("weight").drop_search_index
    script = '<script src="../searchindex.js"></script>'
    for name in ("page.html", "search.html"):
        (tmp_path / name).write_text(f"<p>before</p>\n    {script}<p>after</p>", encoding="utf-8")
    drop_search_index(SimpleNamespace(builder=SimpleNamespace(format="html"), outdir=str(tmp_path)), None)
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == "<p>before</p><p>after</p>"
    assert script in (tmp_path / "search.html").read_text(encoding="utf-8")
