"""Formulas as MathML, which browsers draw themselves.

The converter writes what it does not know into the page as plain text. This module looks for that and warns, so that a
strict build stops instead of publishing a garbled formula.
"""

from __future__ import annotations

import re

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number
from sphinx.writers.html5 import HTML5Translator

logger = logging.getLogger(__name__)

# The converter knows `align`, which numbers its lines, but not `aligned`, which does not.
_ENVIRONMENTS = {"aligned": "align*", "gathered": "gather*", "split": "align*"}
_NOT_UNDERSTOOD = re.compile(r"<(?:mi|mo|mtext|mn)>(\\[^<]*|&(?![#\w]+;)[^<]*)<")


def mathml(latex: str, *, block: bool) -> str:
    """LaTeX as a ``<math>`` element. Raises ``ValueError`` with the first thing that could not be converted."""
    for known, replacement in _ENVIRONMENTS.items():
        latex = latex.replace(f"{{{known}}}", f"{{{replacement}}}")
    try:
        element = convert(latex, display="block" if block else "inline")
    except Exception as error:  # the converter raises many kinds, all of them about the formula
        raise ValueError(str(error) or type(error).__name__) from error
    if found := _NOT_UNDERSTOOD.search(element):
        raise ValueError(f"{found[1]} is not understood")
    return element


def _formula(translator: HTML5Translator, node: nodes.math | nodes.math_block, *, block: bool) -> str:
    try:
        return mathml(node.astext(), block=block)
    except ValueError as error:
        logger.warning("cannot set the formula %r: %s", node.astext(), error, location=node)
        return f"<code>{translator.encode(node.astext())}</code>"


def visit_math(translator: HTML5Translator, node: nodes.math) -> None:
    """Write a formula within a line."""
    translator.body.append(_formula(translator, node, block=False))
    raise nodes.SkipNode


def visit_math_block(translator: HTML5Translator, node: nodes.math_block) -> None:
    """Write a formula on a line of its own, with its number if it has a label."""
    translator.body.append(translator.starttag(node, "div", CLASS="math"))
    translator.body.append(_formula(translator, node, block=True))
    if node["number"]:
        translator.body.append(f'<span class="eqno">({get_node_equation_number(translator, node)})')
        translator.add_permalink_ref(node, "Link to this equation")
        translator.body.append("</span>")
    translator.body.append("</div>\n")
    raise nodes.SkipNode


def setup(app: Sphinx) -> None:
    """Offer the renderer under the name that ``html_math_renderer`` asks for."""
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_math_block, None))
