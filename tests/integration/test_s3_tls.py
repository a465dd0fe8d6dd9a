"""``csvpipe``, the sequencer and the DAGs on a real MinIO with TLS; each fault names the setting or the connection."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import boto3
import pytest
from airflow.sdk import Connection
from botocore.config import Config

from contracts.errors import CsvPipeError
from csvpipe.settings import load_settings as load_client_settings
from csvpipe.verify.s3_objects import connect
from dags.modules.object_store import ExpectedChunk, connect_store
from sequencer.input.opening import load_job_schema
from sequencer.settings import load_settings as load_job_settings
from tests.support.network.certificates import CertificateAuthority
from tests.support.s3.tls_minio import ACCESS_KEY, HOST, SECRET_KEY, running_tls_minio

SCHEMA = b"columns: [{column: id, type: integer}]\n"
CHUNK = ExpectedChunk(
    chunk_id=1, key="people/missing.csv", size_bytes=1, sha256="0" * 64, published_at="2026-01-01T00:00:00Z"
)
Read = Callable[[str, str | None], object]


def read_by_csvpipe(endpoint: str, ca_file: str | None) -> object:
    settings = load_client_settings(
        s3_endpoint=endpoint, s3_ca_file=ca_file, aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY
    )
    return connect(settings).stat("people/missing.csv")


def read_by_sequencer(endpoint: str, ca_file: str | None) -> object:
    settings = load_job_settings(
        s3_endpoint=endpoint, s3_ca_file=ca_file, schema_file="s3://raw/schema.yaml", retries=0
    )
    return load_job_schema(settings)


def read_by_dag(endpoint: str, ca_file: str | None) -> object:
    extra = json.dumps({"endpoint_url": endpoint, "verify": ca_file})
    connection = Connection(conn_id="s3_raw", conn_type="aws", login=ACCESS_KEY, password=SECRET_KEY, extra=extra)
    return connect_store(connection).check(CHUNK)


READERS: dict[str, tuple[Read, str, str]] = {
    "csvpipe": (read_by_csvpipe, "S3_CA_FILE: ", "S3_ENDPOINT: "),
    "sequencer": (read_by_sequencer, "S3_CA_FILE: ", "S3_ENDPOINT: "),
    "DAG": (read_by_dag, "verify of connection s3_raw: ", "endpoint_url of connection s3_raw: "),
}


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("csvpipe.local_stack.client_values", dict)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it keeps the credentials that it finds
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)


@pytest.fixture
def authority() -> CertificateAuthority:
    return CertificateAuthority("the store's")


def test_objects_are_read_with_the_file_of_the_authority_and_refused_without(
    authority: CertificateAuthority, tmp_path: Path
) -> None:
    ca_file = authority.write_certificate(tmp_path / "ca.pem")
    other = CertificateAuthority("another").write_certificate(tmp_path / "other.pem")
    with running_tls_minio(tmp_path / "minio", authority) as minio:
        put_schema(minio.endpoint, ca_file)
        for read, ca_setting, _ in READERS.values():
            read(minio.endpoint, ca_file)
            for untrusted in (other, None):
                with pytest.raises(CsvPipeError, match=f"{ca_setting}.*not trusted"):
                    read(minio.endpoint, untrusted)


@pytest.mark.parametrize(
    ("address", "expired", "fault"), [(HOST, True, "has expired"), ("192.0.2.1", False, "another name")]
)
def test_certificate_that_must_be_refused_names_the_address(
    authority: CertificateAuthority, tmp_path: Path, address: str, expired: bool, fault: str
) -> None:
    ca_file = authority.write_certificate(tmp_path / "ca.pem")
    with running_tls_minio(tmp_path / "minio", authority, address=address, expired=expired) as minio:
        for read, _, address_setting in READERS.values():
            with pytest.raises(CsvPipeError, match=f"{address_setting}.*{fault}"):
                read(minio.endpoint, ca_file)


def test_wrong_secret_is_an_error_that_names_the_setting_and_does_not_show_it(
    authority: CertificateAuthority, tmp_path: Path
) -> None:
    ca_file = authority.write_certificate(tmp_path / "ca.pem")
    with running_tls_minio(tmp_path / "minio", authority) as minio:
        settings = load_client_settings(
            s3_endpoint=minio.endpoint,
            s3_ca_file=ca_file,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key="marked wrong",
        )
        with pytest.raises(CsvPipeError, match="AWS_SECRET_ACCESS_KEY") as caught:
            connect(settings).stat("people/missing.csv")
    assert "marked wrong" not in caught.value.detail


def put_schema(endpoint: str, ca_file: str) -> None:
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        verify=ca_file,
        region_name="us-east-1",
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        config=Config(s3={"addressing_style": "path"}),
    )
    client.put_object(Bucket="raw", Key="schema.yaml", Body=SCHEMA)
