"""Slides made from the chapters: what is on them, and that they load nothing from elsewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools import outline, slides


def test_a_deck_has_questions_predictions_pictures_and_claims_but_no_code():
    chapter = outline.read("start/01_two_minutes")
    deck = slides.deck("Start", [chapter])
    text = "\n".join(cell.source for cell in deck.cells)
    assert deck.cells[0].source == "# Start"
    assert f"*{chapter.question}*" in text
    assert "**Predict** ·" in text
    claims = [claim.text for claim in chapter.claims if claim.section not in slides.LEFT_OUT]
    assert claims
    assert all(f"- {claim}" in text for claim in claims)
    assert any("image/png" in output.data for cell in deck.cells for output in cell.get("outputs", []))
    assert not any(cell.source for cell in deck.cells if cell.cell_type == "code")
    assert "Exercise" not in text


def test_every_part_has_its_slides_and_they_load_their_scripts_from_beside_them(tmp_path: Path):
    pytest.importorskip("nbconvert")
    files = slides.write(tmp_path)
    assert len(files) == len(outline.parts())
    html = files[0].read_text(encoding="utf-8")
    for package, file in slides.SCRIPTS.items():
        assert f"{package.partition('@')[0]}/{file}" in html
    assert not re.search(r"<script[^>]+src=[\"\']https?://[^\"\']*(jquery|require|reveal)", html)
