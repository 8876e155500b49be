"""The built website, opened in a real browser. ``make book`` first, then ``pytest -m site tests``."""
