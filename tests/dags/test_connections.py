from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk._shared.secrets_masker import redact

from dags.modules.allowed_hosts import AllowedAddress, load_allowed_hosts
from dags.modules.errors import ConfigurationError
from dags.modules.nifi_api_client import connect_nifi
from dags.modules.object_store import connect_store, load_bucket
from tests.support.dags.fake_nifi import FakeNiFi

Make = Callable[..., Any]


def test_nifi_client_is_built_from_the_connection(fake_nifi: FakeNiFi, connection: Make) -> None:
    host, port = fake_nifi.host_port.split(":")
    made = connection("nifi_rest_api", host=host, port=int(port), extra={"listen_url": fake_nifi.listen_url})
    connect_nifi(made).check_ready()
    assert len(fake_nifi.requests) == 1


@pytest.mark.parametrize("fields", [{"extra": {"listen_url": "http://n:1/x"}}, {"host": "n"}])
def test_nifi_connection_without_host_or_listen_url_is_refused(connection: Make, fields: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="listen_url"):
        connect_nifi(connection("nifi_rest_api", **fields))


def test_s3_client_uses_the_endpoint_with_path_style(connection: Make) -> None:
    extra = {"endpoint_url": "http://minio:9000", "bucket": "b"}
    store = connect_store(connection("s3_raw", login="k", password="s", extra=extra))
    url = store._client.generate_presigned_url("head_object", Params={"Bucket": "b", "Key": "x/y"})
    assert store.bucket == "b"
    assert url.startswith("http://minio:9000/b/x/y?")


def test_s3_key_without_secret_is_refused(connection: Make) -> None:
    with pytest.raises(ConfigurationError, match="secret key"):
        connect_store(connection("s3_raw", login="k"))


def test_encryption_is_read_from_the_extra_and_its_key_is_masked(connection: Make) -> None:
    key = b64encode(bytes(range(32))).decode()
    extra = {"endpoint_url": "https://minio:9000", "encryption": "sse-c", "sse_c_key": key}
    store = connect_store(connection("s3_raw", extra=extra))
    assert store._encryption.customer_key == bytes(range(32))
    assert key not in str(redact(f"the key {key} in a log line"))


@pytest.mark.parametrize(
    ("extra", "named"),
    [
        ({"encryption": "yes"}, "extra encryption"),
        ({"encryption": "sse-kms"}, "extra kms_key_id"),
        ({"encryption": "sse-c", "endpoint_url": "https://minio:9000"}, "extra sse_c_key"),
        ({"encryption": "sse-c", "sse_c_key": "A" * 43 + "="}, "extra endpoint_url"),
    ],
)
def test_wrong_encryption_in_the_extra_is_refused(connection: Make, extra: dict[str, str], named: str) -> None:
    with pytest.raises(ConfigurationError, match=f"s3_raw: {named}"):
        connect_store(connection("s3_raw", extra={"endpoint_url": "http://minio:9000", **extra}))


def test_bucket_defaults_to_raw(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_S3_RAW", '{"conn_type": "aws"}')
    assert load_bucket() == "raw"
    monkeypatch.setenv("AIRFLOW_CONN_S3_RAW", '{"conn_type": "aws", "extra": {"bucket": "other"}}')
    assert load_bucket() == "other"


def test_allow_list_is_read_from_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_CSV_INGESTION_ALLOWED_HOSTS", "https://uploader:8000")
    assert load_allowed_hosts().allow(AllowedAddress("https", "uploader", 8000))
    assert not load_allowed_hosts().allow(AllowedAddress("https", "uploader", 8001))


def test_unset_allow_list_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="csv_ingestion_allowed_hosts"):
        load_allowed_hosts()
