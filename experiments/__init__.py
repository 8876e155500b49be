"""The recipes behind the measured tables: one script a table; each writes its figures to ``book/evidence``."""
