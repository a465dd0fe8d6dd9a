"""The condition that an upload's dataset matches one of some patterns, for both databases."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import ColumnElement, Connection, or_, true

from uploader.access.dataset_patterns import ALL_DATASETS
from uploader.store.tables import uploads


def in_datasets(connection: Connection, patterns: Collection[str]) -> ColumnElement[bool]:
    """Match uploads of a dataset that matches one of ``patterns`` (see :mod:`uploader.access.dataset_patterns`).

    Upper and lower case differ, as in :func:`uploader.access.dataset_patterns.matches`.
    """
    if ALL_DATASETS in patterns:
        return true()
    dataset = uploads.c.dataset_name
    names = [pattern for pattern in patterns if "*" not in pattern]
    wild = [pattern for pattern in patterns if "*" in pattern]
    if connection.dialect.name == "sqlite":
        # Its LIKE ignores case. In GLOB only * is special among the characters of a pattern.
        return or_(dataset.in_(names), *(dataset.op("GLOB")(pattern) for pattern in wild))
    return or_(dataset.in_(names), *(dataset.like(_like(pattern), escape="\\") for pattern in wild))


def _like(pattern: str) -> str:
    return pattern.replace("_", r"\_").replace("*", "%")
