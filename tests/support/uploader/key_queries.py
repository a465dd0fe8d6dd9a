"""The statements about keys that an uploader in this process sends to its database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, event


@contextmanager
def counted_key_queries(*, verb: str = "SELECT") -> Iterator[list[tuple[object, ...]]]:
    """Yield the list that receives the parameters of each statement about keys that begins with ``verb``."""
    found: list[tuple[object, ...]] = []

    def note(*arguments: object) -> None:
        _, _, statement, parameters, *_ = arguments
        if str(statement).startswith(verb) and "api_keys" in str(statement):
            assert isinstance(parameters, tuple)
            found.append(parameters)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(Engine, "before_cursor_execute", note)
