"""Any checkpoint comes back as it was, and its lease stays what it was."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from sequencer.checkpoint.serialization import from_fields, to_fields
from sequencer.checkpoint.sqlite import SqliteCheckpoints
from sequencer.model.checkpoint import Checkpoint, DialectRun, JobStatus
from sequencer.model.source_identity import FileIdentity
from sequencer.model.source_position import SourcePosition
from tests.support.examples import examples

COUNTS = st.integers(0, 2**62)
MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001  made UTC
    lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000)
)
CHECKPOINTS = st.builds(
    Checkpoint,
    job_id=st.text(min_size=1, max_size=20),
    last_line=COUNTS,
    total_sent=COUNTS,
    dead_lettered=COUNTS,
    timestamp=MOMENTS,
    status=st.sampled_from(JobStatus),
    topic=st.text(max_size=20),
    partition=st.integers(0, 10_000),
    first_offset=COUNTS,
    place=st.builds(SourcePosition, COUNTS, st.integers(0, 1000), COUNTS),
    sources=st.lists(st.builds(FileIdentity, st.text(max_size=10), COUNTS, st.text(max_size=10)), max_size=3).map(
        tuple
    ),
    error=st.text(max_size=30),
    last_offset=st.integers(-1, 2**62),
    found_records=COUNTS,
    mode=st.sampled_from(["exclusive", "transactional"]),
    row_range=st.tuples(COUNTS, st.none() | COUNTS),
    dialects=st.lists(st.builds(DialectRun, COUNTS, st.text(max_size=1), st.text(max_size=9)), max_size=3).map(tuple),
    header=st.lists(st.text(max_size=5), max_size=3).map(tuple),
)


@given(checkpoint=CHECKPOINTS)
def test_fields_are_the_checkpoint(checkpoint: Checkpoint) -> None:
    fields = to_fields(checkpoint)
    assert from_fields(checkpoint.job_id, fields) == checkpoint
    as_dynamodb_gives_them = {name: str(value) for name, value in fields.items()}
    assert from_fields(checkpoint.job_id, as_dynamodb_gives_them) == checkpoint


@settings(max_examples=examples(30))
@given(earlier=CHECKPOINTS, checkpoint=CHECKPOINTS)
def test_file_keeps_the_newest_of_each_job(earlier: Checkpoint, checkpoint: Checkpoint) -> None:
    with tempfile.TemporaryDirectory() as directory:
        store = SqliteCheckpoints(str(Path(directory) / "c.sqlite3"))
        for each in (earlier, checkpoint):
            store.acquire_lease(each.job_id, owner="a", now=0, lease_s=60, is_dead=lambda _: False)
            store.save(each, owner="a")
        found = SqliteCheckpoints(str(Path(directory) / "c.sqlite3"))
        assert found.load(checkpoint.job_id) == checkpoint
        if earlier.job_id != checkpoint.job_id:
            assert found.load(earlier.job_id) == earlier
