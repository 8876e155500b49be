"""Tests of `helpers/`, file by file."""
