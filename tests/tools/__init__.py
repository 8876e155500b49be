"""Tests of `tools/`, file by file."""
