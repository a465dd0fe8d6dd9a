"""Airflow without a server: a home of its own for the session, and stand-ins for the supervisor's answers."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.dags.fixtures import fake_nifi, fake_uploader, no_http_retry_delay

if TYPE_CHECKING:
    from airflow.dag_processing.dagbag import DagBag

__all__ = ["fake_nifi", "fake_uploader", "no_http_retry_delay"]
REPOSITORY = Path(__file__).parents[2]
_HOME = tempfile.TemporaryDirectory(prefix="airflow-home-")

# Before anything imports airflow, which reads them and makes its home at import.
os.environ.update(
    AIRFLOW_HOME=_HOME.name,
    AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT="0",  # none: 30 s are short where many workers import Airflow at once
    AIRFLOW__CORE__LOAD_EXAMPLES="False",
    AIRFLOW__CORE__DAGS_FOLDER=str(REPOSITORY / "dags"),
    AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"sqlite:///{_HOME.name}/airflow.db",
)


for _name in [name for name in os.environ if name.startswith("CSV_INGESTION_")]:
    del os.environ[_name]  # the tests hold the DAGs to their defaults


@pytest.fixture(scope="session", autouse=True)
def _airflow_has_set_up_logging() -> None:
    """Import Airflow before the first test: its first import removes all log handlers, including pytest's."""
    from airflow.sdk import Connection  # noqa: F401 - imported for what it does


@pytest.fixture(scope="session")
def dag_bag() -> DagBag:
    """Parse the DAGs folder as Airflow's DAG processor does."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Airflow's own: file discovery uses a deprecated pattern class
        from airflow.dag_processing.dagbag import DagBag

        return DagBag(str(REPOSITORY / "dags"))


@pytest.fixture
def connection() -> Callable[..., Any]:
    """Make a connection as a task gets it."""
    import json

    from airflow.sdk import Connection

    def make(conn_id: str, *, extra: dict[str, Any] | None = None, **fields: Any) -> Connection:
        return Connection(conn_id=conn_id, conn_type="http", extra=json.dumps(extra or {}), **fields)

    return make
