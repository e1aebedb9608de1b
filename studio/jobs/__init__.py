"""Processes that the studio starts: the same commands a person would type."""
