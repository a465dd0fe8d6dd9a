"""Encryption of the objects of a stack, as its services are told of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from contracts.errors import SettingsError
from dags.modules.object_store import connect_store
from nifi.encryption import KEY, STRATEGY
from stack.airflow_connections import airflow_connections
from stack.component import StackContext
from stack.components.nifi import NiFi
from stack.encryption import encryption_variables
from stack.local import LocalStack
from stack.settings import StackSettings


def stack_with(root: Path, **given: object) -> LocalStack:
    return LocalStack(root=root, settings=StackSettings.on_free_ports(_env_file=None, **given))


def secure_context(root: Path, mode: str) -> StackContext:
    context = stack_with(root, s3_encryption=mode, secure=True).context
    context.certificates.renew()
    return context


@pytest.mark.parametrize(
    ("mode", "strategy"), [("none", "NONE"), ("sse-s3", "SSE_S3"), ("sse-kms", "SSE_KMS"), ("sse-c", "SSE_C")]
)
def test_flow_dag_and_command_line_have_the_same_encryption(tmp_path: Path, mode: str, strategy: str) -> None:
    context = secure_context(tmp_path, mode)
    variables = encryption_variables(context)
    parameters = NiFi(context).flow_parameters()
    extra = airflow_connections(context)["s3_raw"]["extra"]
    key = variables.get("S3_KMS_KEY_ID") or variables.get("S3_SSE_C_KEY")
    assert (variables["S3_ENCRYPTION"], extra["encryption"], parameters[STRATEGY]) == (mode, mode, strategy)
    assert (extra.get("kms_key_id") or extra.get("sse_c_key"), parameters.get(KEY)) == (key, key)


def test_connection_of_the_stack_is_one_that_the_dag_accepts(tmp_path: Path) -> None:
    from airflow.sdk import Connection  # a second of each worker, if it were imported when tests are collected

    context = secure_context(tmp_path, "sse-c")
    described = airflow_connections(context)["s3_raw"]
    store = connect_store(Connection.from_json(json.dumps(described), conn_id="s3_raw"))
    assert store._encryption.mode == "sse-c"


@pytest.mark.parametrize("mode", ["sse-kms", "sse-c"])
def test_encryption_with_a_key_needs_a_secure_stack(tmp_path: Path, mode: str) -> None:
    stack = stack_with(tmp_path, s3_encryption=mode, secure=False)
    with pytest.raises(SettingsError, match=f"STACK_S3_ENCRYPTION={mode} needs a secure stack"):
        stack.start([])
