"""Tests of `book/`, file by file."""
