"""The audit log as a file: lines of JSON, whose failure fails nothing."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from contracts.audit import AuditAction, AuditRecord
from contracts.errors import SettingsError
from tests.support.uploader.uploads import ACTOR
from uploader.access.audit import AuditEvent
from uploader.disk.audit_log_file import AuditLogFile
from uploader.store.store import Store, open_store

EVENT = AuditEvent(action=AuditAction.RECOVER, actor=ACTOR, detail="x" * 400)


@contextmanager
def recording_to(log: AuditLogFile, directory: Path) -> Iterator[Store]:
    store = open_store(f"sqlite:///{directory / 'manifest.sqlite3'}", replica="replica-0", on_record=log.write)
    yield store
    store.close()


def lines(path: Path) -> list[AuditRecord]:
    return [AuditRecord.model_validate_json(line) for line in path.read_text().splitlines()]


def test_every_committed_record_is_a_line_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    with recording_to(AuditLogFile(path), tmp_path) as store:
        threads = [threading.Thread(target=lambda: store.audit.record([EVENT] * 10)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        records, _ = store.audit.read_chain("replica-0", after=None, limit=100)
    assert sorted(lines(path), key=lambda record: record.sequence) == records
    assert all(record.hash == record.expected_hash for record in lines(path))
    assert path.stat().st_mode & 0o777 == 0o600


def test_record_of_a_change_that_was_rolled_back_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"

    def interrupted() -> Iterator[AuditEvent]:
        yield EVENT
        raise ZeroDivisionError

    with recording_to(AuditLogFile(path), tmp_path) as store:
        with pytest.raises(ZeroDivisionError):
            store.audit.record(interrupted())
        store.audit.record([EVENT])
    assert [record.sequence for record in lines(path)] == [1]


def test_rotated_file_is_created_again(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    with recording_to(AuditLogFile(path), tmp_path) as store:
        store.audit.record([EVENT])
        path.rename(tmp_path / "audit.jsonl.1")
        store.audit.record([EVENT])
    assert [record.sequence for record in lines(path)] == [2]


def test_full_disk_is_logged_once_and_counted_and_fails_no_call(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    failures: list[int] = []
    log = AuditLogFile(Path("/dev/full"), on_failure=lambda: failures.append(1))
    with recording_to(log, tmp_path) as store:
        store.audit.record([EVENT, EVENT])
        store.audit.record([EVENT])
        assert len(store.audit.read_chain("replica-0", after=None, limit=10)[0]) == 3
    assert len(failures) == 3
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == [
        "Audit log not written; the records are in the database"
    ]


def test_pipe_that_nobody_reads_blocks_nothing(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    failures: list[int] = []
    with recording_to(AuditLogFile(path, on_failure=lambda: failures.append(1)), tmp_path) as store:
        store.audit.record([EVENT])
    assert failures == [1]


def test_file_that_cannot_be_opened_is_a_wrong_setting(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="AUDIT_LOG_FILE"):
        AuditLogFile(tmp_path / "missing" / "audit.jsonl").check()
