"""Airflow's own public API, for the one thing that tasks cannot do otherwise: pausing a DAG."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dags.modules.errors import ConfigurationError
from dags.modules.http_session import TIMEOUT_S, open_session
from dags.modules.settings import CONN_AIRFLOW

if TYPE_CHECKING:
    from airflow.sdk import Connection


def pause_dag(dag_id: str, conn_id: str = CONN_AIRFLOW) -> None:
    """Pause a DAG; its active run goes on to its end.

    Raises:
        ConfigurationError: there is no such connection.
        requests.RequestException: the API refused, or did not answer.
    """
    from airflow.sdk import Connection
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        connection = Connection.get(conn_id)
    except AirflowNotFoundException as error:
        raise ConfigurationError(f"there is no connection {conn_id}, so {dag_id} cannot be paused from here") from error
    pause_dag_at(connection, dag_id)


def pause_dag_at(connection: Connection, dag_id: str) -> None:
    """Pause a DAG of the Airflow behind ``connection``.

    With a login a token is asked for by name and password (simple and FAB auth managers alike), without one as in the
    all-admins mode of the simple auth manager.

    Raises:
        requests.RequestException: the API refused, or did not answer.
    """
    session = open_session()
    address = f"{connection.schema or 'http'}://{connection.host}:{connection.port or 8080}"
    if connection.login:
        credentials = {"username": connection.login, "password": connection.password or ""}
        answer = session.post(f"{address}/auth/token", json=credentials, timeout=TIMEOUT_S)
    else:
        answer = session.get(f"{address}/auth/token", timeout=TIMEOUT_S)
    answer.raise_for_status()
    session.patch(
        f"{address}/api/v2/dags/{dag_id}",
        json={"is_paused": True},
        headers={"Authorization": f"Bearer {answer.json()['access_token']}"},
        timeout=TIMEOUT_S,
    ).raise_for_status()
