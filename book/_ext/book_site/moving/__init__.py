"""Pictures that move: a reader turns a knob, and the picture follows.

    ```{moving} learning_rate
    ```

shows the picture that the module of that name in this package makes. A picture is drawn by Vega-Altair from stored
results while the site is built; nothing is computed or asked for when it is read. Its knobs are the browser's own
inputs, so that it works by keyboard. Where scripts are off, and in a book that is printed, a still picture of the
same chart takes its place. Vega's script is heavy: a page loads it when a reader
reaches for a knob.

- ``picture``: what is a moving picture?
- ``style``: what do all of them look like?
- ``page``: how does a page show one?
"""

from __future__ import annotations

from sphinx.application import Sphinx

from . import page


def setup(app: Sphinx) -> None:
    """Register the directive, its node and its script."""
    page.setup(app)
