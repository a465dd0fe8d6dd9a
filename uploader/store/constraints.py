"""Constraints of the database that refuse a row."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.exc import IntegrityError

from uploader.errors import DatabaseConstraintError

_Row = TypeVar("_Row")
_ATTEMPTS = 10
"""How often a row is stored.

What has refused it may be gone before it is looked for, such as an Idempotency-Key that is released. Nobody takes and
releases it each time, so then it is another constraint that refuses the row.
"""


def store_or_find(store: Callable[[], None], find: Callable[[], _Row | None], *, what: str) -> _Row | None:
    """Store a row, or return what is there in its place.

    Args:
        store: stores it in a transaction.
        find: returns what has refused it, or None if that is not there.
        what: names it in the error.

    Raises:
        DatabaseConstraintError: the database refuses it for a reason that ``find`` does not find.
    """
    for left in reversed(range(_ATTEMPTS)):
        try:
            store()
        except IntegrityError as error:
            found = find()
            if found is not None:
                return found
            if not left:
                reason = str(error.orig).partition("\n")[0]
                raise DatabaseConstraintError(
                    f"a constraint of the database refuses {what}: {reason}; nothing was stored. If the constraint is "
                    "not one of the uploader's schema, remove it"
                ) from error
        else:
            break
    return None
