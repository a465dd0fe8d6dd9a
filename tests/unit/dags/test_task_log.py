from __future__ import annotations

import pytest

from dags.modules.task_log import task_logger


def test_fields_are_part_of_the_message_and_of_the_record(caplog: pytest.LogCaptureFixture) -> None:
    task_logger("a").warning("Chunk failed", extra={"chunk_id": 3, "error": "no route to host", "row": None})
    (record,) = caplog.records
    assert record.getMessage() == 'Chunk failed chunk_id=3 error="no route to host"'
    assert vars(record)["chunk_id"] == 3


def test_message_without_fields_is_unchanged(caplog: pytest.LogCaptureFixture) -> None:
    task_logger("a").warning("100% of the chunks landed")
    assert [record.getMessage() for record in caplog.records] == ["100% of the chunks landed"]
