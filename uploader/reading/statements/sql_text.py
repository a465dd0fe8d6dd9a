"""Texts and names in SQL."""

from __future__ import annotations


def literal(text: str) -> str:
    """Return a literal of standard SQL, in which a backslash is itself."""
    doubled = text.replace("'", "''")
    return f"'{doubled}'"


def identifier(name: str) -> str:
    """Return a quoted name."""
    doubled = name.replace('"', '""')
    return f'"{doubled}"'
