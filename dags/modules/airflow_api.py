"""Client of Airflow's public REST API, used to pause a DAG: tasks have no other way to do it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dags.modules.errors import ConfigurationError
from dags.modules.http_session import TIMEOUT_S, check_success, open_session
from dags.modules.settings import CONN_AIRFLOW

if TYPE_CHECKING:
    from airflow.sdk import Connection


def pause_dag(dag_id: str, conn_id: str = CONN_AIRFLOW) -> None:
    """Pause a DAG. Its active run continues until it ends.

    Raises:
        ConfigurationError: The connection does not exist.
        requests.RequestException: The API refused the request or did not answer.
    """
    from airflow.sdk import Connection
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        connection = Connection.get(conn_id)
    except AirflowNotFoundException as error:
        raise ConfigurationError(f"cannot pause {dag_id}: connection {conn_id} does not exist") from error
    pause_dag_at(connection, dag_id)


def pause_dag_at(connection: Connection, dag_id: str) -> None:
    """Pause a DAG of the Airflow that ``connection`` points to.

    If the connection has a login, request a token with user name and password (simple and FAB auth managers). If it has
    none, request the token of the simple auth manager's all-admins mode. The extra ``ca_file`` names a PEM file of
    certificates to trust instead of the public ones.

    Raises:
        requests.RequestException: The API refused the request or did not answer.
    """
    session = open_session()
    session.verify = connection.extra_dejson.get("ca_file") or True
    address = f"{connection.schema or 'http'}://{connection.host}:{connection.port or 8080}"
    if connection.login:
        credentials = {"username": connection.login, "password": connection.password or ""}
        response = session.post(f"{address}/auth/token", json=credentials, timeout=TIMEOUT_S)
    else:
        response = session.get(f"{address}/auth/token", timeout=TIMEOUT_S)
    token = check_success(response).json()["access_token"]
    check_success(
        session.patch(
            f"{address}/api/v2/dags/{dag_id}",
            json={"is_paused": True},
            headers={"Authorization": f"Bearer {token}"},
            timeout=TIMEOUT_S,
        )
    )
