"""Lets pytest run the notebooks of book/ as well as the tests; see tests/notebook_plugin.py."""

pytest_plugins = ["tests.notebook_plugin"]
