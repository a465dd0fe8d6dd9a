"""The command ``csvpipe bucket`` on a real S3 server."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from contracts.exit_codes import ExitCode
from csvpipe.cli import main
from tests.support.containers.engine import free_port
from tests.support.services import MinioServer

Run = Callable[..., int]


@pytest.fixture
def bucket(minio: MinioServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Give the command, which returns its exit code; buckets that it has created are removed."""
    monkeypatch.setenv("S3_ENDPOINT", minio.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", minio.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", minio.secret_key)

    def bucket(*arguments: str) -> int:
        with pytest.raises(SystemExit) as caught:
            main(["bucket", *arguments])
        return int(caught.value.code or 0)

    before = _buckets(minio)
    yield bucket
    for name in _buckets(minio) - before:
        minio.client().delete_bucket(Bucket=name)


def _buckets(minio: MinioServer) -> set[str]:
    return {entry.get("Name", "") for entry in minio.client().list_buckets()["Buckets"]}


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1"])
def test_bucket_is_created_once(
    bucket: Run, minio: MinioServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], region: str
) -> None:
    monkeypatch.setenv("S3_REGION", region)
    name = f"made-in-{region}"
    assert bucket(name) == 0
    assert bucket(name) == 0
    assert capsys.readouterr().out.splitlines() == [f"bucket {name}: created", f"bucket {name}: exists already"]
    assert name in _buckets(minio)


def test_bucket_of_the_settings_is_the_default(bucket: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S3_BUCKET", "of-the-settings")
    assert bucket() == 0


@pytest.mark.parametrize(
    ("name", "value"), [("AWS_SECRET_ACCESS_KEY", "wrong"), ("AWS_ACCESS_KEY_ID", "nobody"), ("S3_BUCKET", "No")]
)
def test_what_the_server_refuses_is_a_wrong_setting(
    bucket: Run, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    assert bucket() == ExitCode.CONFIGURATION


def test_server_that_does_not_answer_is_unavailable(bucket: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S3_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    assert bucket() == ExitCode.UNAVAILABLE
