"""Numbers for people."""

from __future__ import annotations


def format_count(count: int) -> str:
    """Return ``count`` with its thousands separated: ``336,776``."""
    return f"{count:,}"


def counted(count: int, noun: str, plural: str = "") -> str:
    """Return ``count`` with its noun: ``1 row``, ``336,776 rows``; ``plural`` is for an irregular noun."""
    return f"{format_count(count)} {noun if count == 1 else plural or noun + 's'}"
