"""Statements with which other programs read the objects of an upload."""
