"""Constraints of the database that refuse a row."""

from __future__ import annotations

from sqlalchemy.exc import IntegrityError

from uploader.errors import DatabaseConstraintError

ATTEMPTS_FOR_A_KEY = 10
"""How often a row with an Idempotency-Key is stored.

The key may be released after it has refused the row and before its row is looked for. Nobody takes and releases it each
time, so then it is another constraint that refuses the row.
"""


def unknown_constraint(error: IntegrityError, *, what: str) -> DatabaseConstraintError:
    """Return the error for ``what``, which is refused by a constraint that the uploader does not expect."""
    reason = str(error.orig).partition("\n")[0]
    return DatabaseConstraintError(
        f"a constraint of the database refuses {what}: {reason}; nothing was stored. If the constraint is not one of "
        "the uploader's schema, remove it"
    )
