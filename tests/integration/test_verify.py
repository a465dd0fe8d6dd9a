"""The command ``csvpipe verify`` against a real S3 server."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from contracts.exit_codes import ExitCode
from contracts.manifest import Manifest
from contracts.names import BUCKET_RAW, manifest_key
from csvpipe.cli import main
from csvpipe.commands.verify import find_manifest
from csvpipe.settings import load_settings
from csvpipe.verify.report import ObjectLostError, StoredObject
from csvpipe.verify.s3_objects import BROKEN_READS_ALLOWED, S3Objects, connect
from tests.support.network.cutting_proxy import cutting_proxy, headers_only_proxy
from tests.support.s3.fake_bucket import lay_out
from tests.support.services import MinioServer

ROWS = [[f"{number},{'x' * 400}\n" for number in range(at, at + 5000)] for at in range(0, 15000, 5000)]
Verify = Callable[..., int]


@pytest.fixture
def landed(minio: MinioServer) -> Iterator[Manifest]:
    """Give an upload of three chunks of 2 MiB, landed with its manifest."""
    client = minio.client()
    manifest, laid_out = lay_out("number,text\n", ROWS)
    for key, data in laid_out.objects.items():
        client.put_object(Bucket=BUCKET_RAW, Key=key, Body=data, Metadata=laid_out.metadata[key])
    key = manifest_key(manifest.dataset_name, manifest.upload_id)
    client.put_object(Bucket=BUCKET_RAW, Key=key, Body=manifest.model_dump_json().encode())
    client.put_object(Bucket=BUCKET_RAW, Key="another/thing.csv", Body=b"a\n1\n")
    yield manifest
    listed = client.list_objects_v2(Bucket=BUCKET_RAW).get("Contents", [])
    client.delete_objects(Bucket=BUCKET_RAW, Delete={"Objects": [{"Key": entry["Key"]} for entry in listed]})


@pytest.fixture
def verify(minio: MinioServer, monkeypatch: pytest.MonkeyPatch) -> Verify:
    """Run the command and return its exit code."""
    monkeypatch.setenv("S3_ENDPOINT", minio.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", minio.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", minio.secret_key)

    def verify(*arguments: str) -> int:
        with pytest.raises(SystemExit) as caught:
            main(["verify", *arguments])
        return int(caught.value.code or 0)

    return verify


def test_upload_in_the_bucket_is_proven_without_asking_any_other_service(
    verify: Verify, landed: Manifest, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CSVPIPE_URL", "http://127.0.0.1:1")
    assert verify(landed.upload_id) == 0
    shown = capsys.readouterr().out
    assert "VERIFIED" in shown
    assert shown.count(landed.source_sha256) == 2
    assert "15,000 rows" in shown


def test_dataset_may_be_named(verify: Verify, landed: Manifest) -> None:
    assert verify(landed.upload_id, "--dataset", landed.dataset_name) == 0


def test_changed_object_is_named_and_exits_with_1(
    verify: Verify, landed: Manifest, minio: MinioServer, capsys: pytest.CaptureFixture[str]
) -> None:
    chunk = landed.chunks[1]
    client = minio.client()
    data = client.get_object(Bucket=BUCKET_RAW, Key=chunk.key)["Body"].read()
    client.put_object(Bucket=BUCKET_RAW, Key=chunk.key, Body=data.replace(b",x", b",y", 1))
    assert verify(landed.upload_id) == ExitCode.CHECK_FAILED
    assert f"MISMATCH chunk 2 ({chunk.key}): its SHA-256 is" in capsys.readouterr().out


def test_missing_object_is_named_and_exits_with_1(
    verify: Verify, landed: Manifest, minio: MinioServer, capsys: pytest.CaptureFixture[str]
) -> None:
    minio.client().delete_object(Bucket=BUCKET_RAW, Key=landed.chunks[2].key)
    assert verify(landed.upload_id) == ExitCode.CHECK_FAILED
    assert f"MISMATCH chunk 3 ({landed.chunks[2].key}): the object does not exist" in capsys.readouterr().out


def test_upload_without_a_manifest_is_not_proven(
    verify: Verify, landed: Manifest, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verify("f" * 32, "--timeout", "0") == ExitCode.CHECK_FAILED
    assert "manifest_not_found" in capsys.readouterr().err


def test_manifest_that_comes_late_is_waited_for(
    verify: Verify, landed: Manifest, minio: MinioServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, key = minio.client(), manifest_key(landed.dataset_name, landed.upload_id)
    client.delete_object(Bucket=BUCKET_RAW, Key=key)
    looks: list[bool] = []

    def look_then_put(objects: S3Objects, upload_id: str, *, dataset: str | None) -> Manifest | None:
        found = find_manifest(objects, upload_id, dataset=dataset)
        looks.append(found is not None)
        client.put_object(Bucket=BUCKET_RAW, Key=key, Body=landed.model_dump_json().encode())
        return found

    monkeypatch.setattr("csvpipe.commands.verify.find_manifest", look_then_put)
    assert verify(landed.upload_id, "--timeout", "60") == 0
    assert looks == [False, True]


def test_object_that_is_deleted_between_stat_and_read_is_a_difference(
    verify: Verify,
    landed: Manifest,
    minio: MinioServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    chunk, stat = landed.chunks[1], S3Objects.stat

    def stat_then_delete(objects: S3Objects, key: str) -> StoredObject | None:
        stored = stat(objects, key)
        if key == chunk.key:
            minio.client().delete_object(Bucket=BUCKET_RAW, Key=key)
        return stored

    monkeypatch.setattr(S3Objects, "stat", stat_then_delete)
    assert verify(landed.upload_id) == ExitCode.CHECK_FAILED
    assert f"MISMATCH chunk 2 ({chunk.key}): it was deleted while it was read" in capsys.readouterr().out


@pytest.mark.usefixtures("verify")
def test_object_that_is_replaced_while_it_is_read_is_not_read_on(
    landed: Manifest, minio: MinioServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = landed.chunks[0].key
    with cutting_proxy(*minio.address, cuts=1, cut_after_bytes=1_500_000) as proxy:
        monkeypatch.setenv("S3_ENDPOINT", proxy.url)
        blocks = connect(load_settings()).read(key)
        next(blocks)
        minio.client().put_object(Bucket=BUCKET_RAW, Key=key, Body=b"x" * 2_000_000)
        with pytest.raises(ObjectLostError, match="replaced"):
            list(blocks)


def test_bucket_that_does_not_exist_is_a_wrong_setting(
    verify: Verify, landed: Manifest, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("S3_BUCKET", "no-such-bucket")
    assert verify(landed.upload_id, "--dataset", landed.dataset_name) == ExitCode.CONFIGURATION
    assert "S3_BUCKET" in capsys.readouterr().err


def test_stream_that_breaks_off_is_taken_up_at_its_byte(
    verify: Verify, landed: Manifest, minio: MinioServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with cutting_proxy(*minio.address, cuts=4, cut_after_bytes=700_000) as proxy:
        monkeypatch.setenv("S3_ENDPOINT", proxy.url)
        assert verify(landed.upload_id) == 0
        assert proxy.cuts_made == 4


def test_stream_that_breaks_off_every_time_exits_with_69(
    verify: Verify, landed: Manifest, minio: MinioServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A read that gets a single byte more may be repeated as often as the first one.
    with headers_only_proxy(*minio.address) as proxy:
        monkeypatch.setenv("S3_ENDPOINT", proxy.url)
        assert verify(landed.upload_id) == ExitCode.UNAVAILABLE
        assert proxy.faults_made == 1 + BROKEN_READS_ALLOWED


def test_wrong_credentials_are_a_wrong_setting(
    verify: Verify, landed: Manifest, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-this-one")
    assert verify(landed.upload_id) == ExitCode.CONFIGURATION
    assert "AWS_SECRET_ACCESS_KEY" in capsys.readouterr().err


def test_object_store_that_is_not_there_exits_with_69(
    verify: Verify, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("S3_ENDPOINT", "http://127.0.0.1:1")
    assert verify("f" * 32) == ExitCode.UNAVAILABLE
    assert "S3_ENDPOINT" in capsys.readouterr().err
