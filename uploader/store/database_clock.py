"""The clock of the database, as an expression: one clock for all replicas (see ADR 44)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import FunctionElement


class database_now_us(FunctionElement[int]):  # noqa: N801  an SQL function
    """Microseconds since 1970 at the moment at which the row is looked at, not at the start of the transaction.

    A transaction that has waited for the lock of a row sees the time after its wait.
    """

    type = BigInteger()
    inherit_cache = True


@compiles(database_now_us, "postgresql")
def _on_postgresql(_element: database_now_us, _compiler: SQLCompiler, **_options: Any) -> str:  # noqa: ANN401  SQLAlchemy's
    return "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)"


@compiles(database_now_us, "sqlite")
def _on_sqlite(_element: database_now_us, _compiler: SQLCompiler, **_options: Any) -> str:  # noqa: ANN401  SQLAlchemy's
    # To the millisecond. unixepoch('subsec') needs SQLite 3.42.
    return "CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)"
