"""Connections of the stack's Airflow to the other services."""

from __future__ import annotations

from typing import Any

from contracts.names import BUCKET_RAW
from stack.airflow_api import ADMIN
from stack.component import StackContext
from stack.encryption import connection_extra
from stack.kafka_users import CONSUMER_GROUP, client_properties

Connection = dict[str, Any]


def airflow_connections(context: StackContext) -> dict[str, Connection]:
    """Return the connections by their ids, in the form of ``AIRFLOW_CONN_*`` as JSON."""
    return {
        "kafka_csv_ingestion": _kafka(context),
        "nifi_rest_api": _nifi(context),
        "s3_raw": _s3(context),
        "csv_uploader": _uploader(context),
        "airflow_api": _airflow(context),
    }


def _kafka(context: StackContext) -> Connection:
    consumer = {
        "group.id": CONSUMER_GROUP,
        "auto.offset.reset": "earliest",
        # The default of librdkafka commits polled messages, which a crash would then lose.
        "enable.auto.commit": False,
        # The member of a killed triggerer blocks the group for this time.
        "session.timeout.ms": 6000,
    }
    return {"conn_type": "kafka", "extra": client_properties(context, "airflow") | consumer}


def _nifi(context: StackContext) -> Connection:
    extra = {"listen_url": f"{context.url(context.settings.nifi_ingest_port)}/csv-ingest"}
    if context.secure:
        files = context.certificates.files("airflow")
        extra |= {"verify": str(context.ca_file), "cert": str(files.certificate), "key": str(files.key)}
    return {**_http(context, context.settings.nifi_port), "extra": extra}


def _s3(context: StackContext) -> Connection:
    trusted = {"verify": str(context.ca_file)} if context.secure else {}
    return {
        "conn_type": "aws",
        "login": context.secrets.minio_root_user,
        "password": context.secrets.minio_root_password.get_secret_value(),
        "extra": {
            "endpoint_url": context.url(context.settings.minio_port),
            "bucket": BUCKET_RAW,
            **trusted,
            **connection_extra(context),
        },
    }


def _uploader(context: StackContext) -> Connection:
    trusted = {"ca_file": str(context.ca_file)} if context.secure else {}
    key = context.secrets.relay_key.get_secret_value()
    return {**_http(context, context.settings.uploader_port), "password": key, "extra": trusted}


def _airflow(context: StackContext) -> Connection:
    connection = _http(context, context.settings.airflow_port)
    if not context.secure:
        return connection
    return {
        **connection,
        "login": ADMIN,
        "password": context.secrets.airflow_admin_password.get_secret_value(),
        "extra": {"ca_file": str(context.ca_file)},
    }


def _http(context: StackContext, port: int) -> Connection:
    scheme = "https" if context.secure else "http"
    return {"conn_type": "http", "schema": scheme, "host": context.settings.host, "port": port}
