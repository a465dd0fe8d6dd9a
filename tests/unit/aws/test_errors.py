"""Missing credentials and wrong AWS configuration fail immediately, without retries."""

from __future__ import annotations

from pathlib import Path

import boto3
import pytest
from botocore.exceptions import CredentialRetrievalError, EndpointConnectionError, UnauthorizedSSOTokenError

from aws.endpoint_settings import EndpointSettings
from aws.errors import final_error, translating_client_errors
from contracts.errors import NotAllowedError, SettingsError, TemporaryFailureError
from sequencer.checkpoint.factory import open_checkpoints
from sequencer.input.opening import open_job_input
from sequencer.metrics.cloudwatch import CloudWatchEmitter, cloudwatch_client
from sequencer.model.progress import Progress
from sequencer.settings import JobSettings

NOWHERE = "http://127.0.0.1:1"
S3_SETTINGS = EndpointSettings(address="S3_ENDPOINT")


@pytest.fixture(autouse=True)
def machine_without_a_role(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)


def settings(**given: object) -> JobSettings:
    nowhere = {"s3_endpoint": NOWHERE, "dynamodb_endpoint": NOWHERE, "cloudwatch_endpoint": NOWHERE}
    return JobSettings.model_validate({**nowhere, "retries": 5, **given})


@pytest.mark.parametrize("source", ["s3://bucket/a.csv", "s3://bucket/prefix/"])
def test_source_without_credentials_is_not_allowed(source: str) -> None:
    given = settings(source=source)
    with pytest.raises(NotAllowedError, match="Unable to locate credentials; give the machine a role"):
        open_job_input(given)


def test_checkpoints_without_credentials_are_not_allowed() -> None:
    store = open_checkpoints(settings(checkpoint_table="t"))
    with pytest.raises(NotAllowedError, match="table t: Unable to locate credentials"):
        store.load("job")


def test_half_of_the_credentials_is_not_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "half")
    given = settings(source="s3://bucket/a.csv", checkpoint_table="t")
    with pytest.raises(NotAllowedError, match="S3: Partial credentials"):
        open_job_input(given)
    with pytest.raises(NotAllowedError, match="DynamoDB: Partial credentials"):
        open_checkpoints(given)


def test_profile_that_is_not_there_is_a_wrong_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    given = settings(source="s3://bucket/a.csv")
    with pytest.raises(SettingsError, match="S3: The config profile"):
        open_job_input(given)


@pytest.mark.parametrize("source", ["s3://My_Bucket!/a.csv", "s3://My_Bucket!/prefix/"])
def test_invalid_bucket_name_is_a_settings_error(source: str) -> None:
    given = settings(source=source)
    with pytest.raises(SettingsError, match='Parameter validation failed: Invalid bucket name "My_Bucket!"'):
        open_job_input(given)


def test_expired_token_is_final_and_unavailable_service_is_temporary() -> None:
    assert isinstance(final_error(UnauthorizedSSOTokenError(), "S3", S3_SETTINGS), NotAllowedError)
    away = CredentialRetrievalError(provider="container-role", error_msg="timed out")
    for error in (away, EndpointConnectionError(endpoint_url=NOWHERE)):
        assert final_error(error, "S3", S3_SETTINGS) is None
    with pytest.raises(TemporaryFailureError, match="timed out"), translating_client_errors("S3", S3_SETTINGS):
        raise away


def test_cloudwatch_without_credentials_costs_only_what_it_would_have_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    client = cloudwatch_client(settings())
    assert client is not None
    with CloudWatchEmitter(client, namespace="n", job_id="job", progress=Progress(), interval_s=3600) as emitter:
        pass
    assert emitter.dropped == 1
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "half")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    assert cloudwatch_client(settings()) is None
