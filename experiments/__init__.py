"""The recipes behind the measured tables: one folder a table; each writes its figures to ``book/evidence``.

A folder has four files, and each answers one question:

- ``setting``: what identifies a row? A frozen dataclass, which holds all that decides the result beside the code, whose
  number is ``CODE``.
- ``measure``: how is a row measured? The only file that needs PyTorch.
- ``report``: what do the rows say? The table and the picture that the website shows.
- ``__main__``: which rows? The command line.

What they share is in ``experiments.kit``.
"""
