"""Both stores keep what they are given, and let one process at a time have a job."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from contracts.errors import NotAllowedError, SettingsError, SourceChangedError
from sequencer.checkpoint.dynamodb import DynamoDbCheckpoints
from sequencer.checkpoint.factory import open_checkpoints
from sequencer.checkpoint.sqlite import SqliteCheckpoints
from sequencer.checkpoint.store import CheckpointStore
from sequencer.errors import CheckpointsUnavailableError, LeaseHeldError, LeaseLostError
from sequencer.job.resume_point import check_source
from sequencer.model.checkpoint import Checkpoint, DialectRun, JobStatus
from sequencer.model.source_identity import FileIdentity, condense
from sequencer.model.source_position import SourcePosition
from sequencer.settings import JobSettings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

Files = tuple[FileIdentity, ...]
NOTED = Checkpoint(
    job_id="job",
    last_line=20_000_000_000,
    total_sent=19_999_999_990,
    dead_lettered=10,
    timestamp=datetime(2026, 1, 31, 23, 59, 59, 123_000, UTC),
    status=JobStatus.STOPPED,
    topic="t",
    partition=3,
    first_offset=7,
    place=SourcePosition(19_000_000_000, 2, 1_000_000_000_000),
    sources=(FileIdentity("s3://b/größe.csv", 5, "etag-1"), FileIdentity("s3://b/c.csv", 6, "etag-2")),
    error="bad_row: row 7 is no row",
    last_offset=19_999_999_996,
    found_records=5,
    mode="transactional",
    row_range=(1, None),
    dialects=(DialectRun(1, ";", "utf-8"),),
    header=("a", "größe"),
)


def alive(_owner: str) -> bool:
    return False


def take(store: CheckpointStore, owner: str, *, now: float = 1000.0, is_dead: Callable[[str], bool] = alive) -> None:
    store.acquire_lease("job", owner=owner, now=now, lease_s=60, is_dead=is_dead)


def test_checkpoint_comes_back_as_it_was(store: CheckpointStore) -> None:
    take(store, "a")
    assert store.load("job") is None
    store.save(NOTED, owner="a")
    assert store.load("job") == NOTED
    later = replace(NOTED, last_line=20_000_000_001, status=JobStatus.DONE, error="")
    store.save(later, owner="a")
    assert store.load("job") == later
    assert store.load("other") is None


@pytest.mark.parametrize("count", [20, 21, 10_000])
def test_source_of_any_number_of_files_is_stored_and_recognised(store: CheckpointStore, count: int) -> None:
    noted = replace(NOTED, sources=many_files(count))
    take(store, "a")
    store.save(noted, owner="a")
    found = store.load("job")
    check_source(found, noted.sources)
    assert found is not None
    assert len(found.sources) <= 20
    assert sum(size for _, size, _ in found.sources) == sum(size for _, size, _ in noted.sources)


@pytest.mark.parametrize("keeps", [lambda files: files, condense], ids=["every file", "condensed"])
def test_file_that_has_changed_among_many_is_known_by_its_group(keeps: Callable[[Files], Files]) -> None:
    files = many_files(10_000)
    noted = replace(NOTED, sources=keeps(files))
    check_source(noted, files)
    for changed in (
        (*files[:700], files[700]._replace(etag="other"), *files[701:]),
        (*files[:700], files[700]._replace(size_bytes=files[700].size_bytes + 1), *files[701:]),
        (*files[:700], files[701], files[700], *files[702:]),
    ):
        with pytest.raises(SourceChangedError, match=r"one of the 500 files from .*part-00500.* to .*part-00999\S*"):
            check_source(noted, changed)
    with pytest.raises(SourceChangedError, match=r"files from .*part-00000.*"):
        check_source(noted, (*files, FileIdentity("new.csv", 1, "x")))


def many_files(count: int) -> Files:
    prefix = "s3://a-bucket/a/prefix/of/some/length/2026/01/31"
    return tuple(
        FileIdentity(f"{prefix}/part-{number:05}-{'x' * 36}.csv", number, f"{number:032x}") for number in range(count)
    )


def test_job_that_was_deleted_is_unknown_and_free(store: CheckpointStore) -> None:
    take(store, "a")
    store.save(NOTED, owner="a")
    store.delete("job")
    assert store.load("job") is None
    take(store, "b")


def test_held_lease_names_its_owner_and_its_end(store: CheckpointStore) -> None:
    take(store, "a")
    with pytest.raises(LeaseHeldError, match=r"run by a, whose lease lasts until 1970-01-01T00:17:40\+00:00") as caught:
        take(store, "b", now=1059.9)
    assert (caught.value.extra["owner"], caught.value.exit_code) == ("a", 75)


def test_lease_that_has_run_out_is_free(store: CheckpointStore) -> None:
    take(store, "a")
    take(store, "b", now=1060.1)
    with pytest.raises(LeaseLostError):
        store.renew_lease("job", owner="a", until=2000)


def test_lease_of_a_dead_process_is_free_immediately(store: CheckpointStore) -> None:
    take(store, "a")
    take(store, "b", is_dead=lambda owner: owner == "a")
    with pytest.raises(LeaseHeldError, match="run by b"):
        take(store, "c")


def test_lease_that_no_process_has_written_is_reported(moto_dynamodb: DynamoDBClient) -> None:
    moto_dynamodb.put_item(
        TableName="csvpipe-checkpoints", Item={"job_id": {"S": "job"}, "lease_owner": {"NULL": True}}
    )
    with pytest.raises(CheckpointsUnavailableError):
        take(DynamoDbCheckpoints(moto_dynamodb, table="csvpipe-checkpoints"), "a")


def test_lease_that_was_given_up_is_free_and_one_of_others_is_not_given_up(store: CheckpointStore) -> None:
    take(store, "a")
    store.release_lease("job", owner="b")
    with pytest.raises(LeaseHeldError):
        take(store, "b")
    store.release_lease("job", owner="a")
    take(store, "b")


def test_renewal_keeps_the_lease_and_the_checkpoint_and_saving_keeps_the_lease(store: CheckpointStore) -> None:
    take(store, "a")
    store.save(NOTED, owner="a")
    store.renew_lease("job", owner="a", until=5000)
    store.save(NOTED, owner="a")
    assert store.load("job") == NOTED
    with pytest.raises(LeaseHeldError):
        take(store, "b", now=4999)


@pytest.mark.parametrize("owner", ["b", "nobody at all"])
def test_checkpoint_of_a_process_without_the_lease_is_not_kept(store: CheckpointStore, owner: str) -> None:
    take(store, "a")
    store.save(NOTED, owner="a")
    with pytest.raises(LeaseLostError):
        store.save(replace(NOTED, last_line=1), owner=owner)
    assert store.load("job") == NOTED


def test_first_of_two_acquires_the_lease_and_the_other_is_rejected(moto_dynamodb: DynamoDBClient) -> None:
    store = DynamoDbCheckpoints(moto_dynamodb, table="csvpipe-checkpoints")
    look = moto_dynamodb.get_item
    overtaken: list[bool] = []

    def look_and_be_overtaken(**given: object) -> object:
        answer = look(**given)  # type: ignore[arg-type]  # what the store gives
        if not overtaken:
            overtaken.append(True)
            take(store, "faster")
        return answer

    with patch.object(moto_dynamodb, "get_item", look_and_be_overtaken), pytest.raises(LeaseHeldError, match="faster"):
        take(store, "slower")


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("ProvisionedThroughputExceededException", CheckpointsUnavailableError),
        ("InternalServerError", CheckpointsUnavailableError),
        ("AccessDeniedException", NotAllowedError),
        ("InvalidSignatureException", NotAllowedError),
        ("ResourceNotFoundException", SettingsError),
        ("ValidationException", SettingsError),
    ],
)
def test_errors_of_dynamodb_name_the_remedy(
    moto_dynamodb: DynamoDBClient, code: str, expected: type[Exception]
) -> None:
    store = DynamoDbCheckpoints(moto_dynamodb, table="csvpipe-checkpoints")
    fault = ClientError({"Error": {"Code": code, "Message": "said so"}}, "UpdateItem")
    with patch.object(moto_dynamodb, "update_item", side_effect=fault), pytest.raises(expected):
        take(store, "a")


def test_item_that_dynamodb_rejects_is_an_invalid_setting_with_its_reason(
    moto_dynamodb: DynamoDBClient,
) -> None:
    store = DynamoDbCheckpoints(moto_dynamodb, table="csvpipe-checkpoints")
    take(store, "a")
    with pytest.raises(
        SettingsError,
        match=r"csvpipe-checkpoints: DynamoDB refuses .*Item size to update has exceeded.*CHECKPOINT_TABLE",
    ):
        store.save(replace(NOTED, error="x" * 500_000), owner="a")


def test_unreachable_dynamodb_is_unavailable(moto_dynamodb: DynamoDBClient) -> None:
    store = DynamoDbCheckpoints(moto_dynamodb, table="csvpipe-checkpoints")
    fault = EndpointConnectionError(endpoint_url="http://x")
    with patch.object(moto_dynamodb, "get_item", side_effect=fault), pytest.raises(CheckpointsUnavailableError):
        store.load("job")


def test_file_that_cannot_be_created_is_a_settings_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="CHECKPOINT_FILE"):
        SqliteCheckpoints(str(tmp_path / "file" / "checkpoints.sqlite3"))


def test_settings_choose_the_store(tmp_path: Path, moto_aws: None) -> None:
    settings = JobSettings(checkpoint_file=str(tmp_path / "c.sqlite3"), _env_file=None)
    assert isinstance(open_checkpoints(settings), SqliteCheckpoints)
    in_aws = JobSettings(checkpoint_table="t", _env_file=None)
    assert isinstance(open_checkpoints(in_aws), DynamoDbCheckpoints)
