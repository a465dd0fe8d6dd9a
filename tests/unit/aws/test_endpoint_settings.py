"""An error names the settings of the service that it is about, as the program that reports it has them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest

from contracts.errors import CsvPipeError
from csvpipe.settings import load_settings as load_client_settings
from csvpipe.verify.s3_objects import connect
from dags.modules.uploader_client import UploaderClient
from sequencer.checkpoint.factory import open_checkpoints
from sequencer.input.opening import load_job_schema
from sequencer.metrics.cloudwatch import CloudWatchEmitter, cloudwatch_client
from sequencer.model.progress import Progress
from sequencer.settings import JobSettings
from tests.support.dags.fixtures import no_http_retry_delay
from tests.support.network.untrusted_server import untrusted_server
from tests.support.s3.fake_gateway import error_answer, fake_s3_gateway
from uploader.bucket.s3_lookup import S3Lookup
from uploader.bucket.s3_object_checker import S3ObjectChecker
from uploader.domain.chunk_object import ChunkObject
from uploader.settings import Settings

__all__ = ["no_http_retry_delay"]
OBJECT = ChunkObject(bucket="bucket", key="a.csv", size_bytes=1, sha256="0" * 64)
Ask = Callable[[str], object]


@pytest.fixture(autouse=True)
def only_these_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("csvpipe.local_stack.client_values", dict)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it keeps the credentials that it finds
    monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


@pytest.fixture
def untrusted(tmp_path: Path) -> Iterator[str]:
    with untrusted_server(tmp_path) as address:
        yield address


def ask_by_uploader(endpoint: str) -> object:
    return S3ObjectChecker(S3Lookup.from_settings(Settings(_env_file=None, s3_endpoint=endpoint))).find_fault(OBJECT)


def ask_by_csvpipe(endpoint: str) -> object:
    return connect(load_client_settings(s3_endpoint=endpoint)).stat("a.csv")


def ask_by_sequencer(endpoint: str) -> object:
    return load_job_schema(JobSettings(s3_endpoint=endpoint, schema_file="s3://bucket/schema.yaml", retries=0))


def ask_for_checkpoint(endpoint: str) -> object:
    return open_checkpoints(JobSettings(dynamodb_endpoint=endpoint, checkpoint_table="t")).load("job")


def ask_by_dag(endpoint: str) -> object:
    return UploaderClient(base_url=endpoint, upload_id="0" * 32).fetch_state()


@pytest.mark.parametrize(
    ("ask", "ca_setting"),
    [
        (ask_by_uploader, "S3_CA_FILE"),
        (ask_by_csvpipe, "S3_CA_FILE"),
        (ask_by_sequencer, "S3_CA_FILE"),
        (ask_for_checkpoint, "AWS_CA_BUNDLE"),
        (ask_by_dag, "ca_file of connection csv_uploader"),
    ],
)
def test_untrusted_certificate_names_the_setting_of_its_service(untrusted: str, ask: Ask, ca_setting: str) -> None:
    with pytest.raises(CsvPipeError, match=f": {ca_setting}: the certificate of {untrusted}.* is not trusted"):
        ask(untrusted)


@pytest.mark.parametrize(
    ("ask", "address_setting"),
    [
        (ask_by_uploader, "S3_ENDPOINT"),
        (ask_by_csvpipe, "S3_ENDPOINT"),
        (ask_by_sequencer, "S3_ENDPOINT"),
        (ask_for_checkpoint, "DYNAMODB_ENDPOINT"),
        (ask_by_dag, r"api_endpoint of the message \(API_BASE_URL of the uploader\)"),
    ],
)
def test_address_without_tls_names_the_setting_of_its_service(ask: Ask, address_setting: str) -> None:
    with fake_s3_gateway({}) as gateway:
        address = gateway.url.replace("http://", "https://")
        with pytest.raises(CsvPipeError, match=f": {address_setting}: {address}.* does not speak TLS"):
            ask(address)


def test_untrusted_certificate_of_cloudwatch_is_logged_with_its_setting(
    untrusted: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = cloudwatch_client(JobSettings(cloudwatch_endpoint=untrusted))
    assert client is not None
    with (
        caplog.at_level(logging.WARNING, "sequencer.metrics.cloudwatch"),
        CloudWatchEmitter(client, namespace="n", job_id="job", progress=Progress(), interval_s=3600),
    ):
        pass
    (record,) = [each for each in caplog.records if each.name == "sequencer.metrics.cloudwatch"]
    assert "AWS_CA_BUNDLE: the certificate" in record.__dict__["error"]


@pytest.mark.parametrize(
    ("ask", "named", "unknown"),
    [
        (ask_by_uploader, "S3_REGION", "AWS_REGION"),
        (ask_by_csvpipe, "S3_REGION", "AWS_REGION"),
        (ask_by_sequencer, "AWS_REGION", "S3_REGION"),
    ],
)
def test_bucket_of_another_region_names_the_setting_of_the_region(ask: Ask, named: str, unknown: str) -> None:
    with (
        fake_s3_gateway({}, lambda asked, answer: error_answer(400, "AuthorizationHeaderMalformed")) as gateway,
        pytest.raises(CsvPipeError) as caught,
    ):
        ask(gateway.url)
    assert f"check {named} and S3_ENDPOINT" in caught.value.detail
    assert unknown not in caught.value.detail


@pytest.mark.parametrize(
    ("ask", "is_named"), [(ask_by_uploader, False), (ask_by_csvpipe, True), (ask_by_sequencer, True)]
)
def test_refusal_names_the_payer_if_there_is_such_a_setting(ask: Ask, is_named: bool) -> None:
    with (
        fake_s3_gateway({}, lambda asked, answer: error_answer(403, "AccessDenied")) as gateway,
        pytest.raises(CsvPipeError) as caught,
    ):
        ask(gateway.url)
    assert ("S3_REQUEST_PAYER" in caught.value.detail) is is_named
