"""Tests of what experiments share, file by file."""
