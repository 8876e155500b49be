"""What the book's website does beyond Jupyter Book: folded solutions, marked claims, formulas without scripts,
results quoted from the chapters, and a preview for links shared elsewhere.

Named in ``_config.yml`` under ``local_extensions``.
"""

from __future__ import annotations

from sphinx.application import Sphinx

from . import cells, head, mathml, results


def setup(app: Sphinx) -> dict[str, object]:
    """Register the parts with Sphinx."""
    for part in (cells, head, mathml, results):
        part.setup(app)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
