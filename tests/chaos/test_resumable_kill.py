"""Resumable uploads to an uploader whose processes are killed at random moments, 100 times."""

from __future__ import annotations

import random
import sys
from contextlib import suppress
from itertools import cycle
from pathlib import Path

import httpx
import pytest

from tests.support.uploader.comparison import description_of
from tests.support.uploader.killed_uploader import KilledUploader, ResumingClient, killed_uploader, kills_at_random
from tests.support.waiting import wait_until
from uploader.disk.part_file import part_directory, part_ids

KILLS = 100
_ROWS = b"id,name\r\n" + b"".join(b'%d,"name of\n%d"\r\n' % (row, row) for row in range(500_000))
_FILES = {
    "rows": (_ROWS, {"chunk_type": "rows", "chunk_size": "30000"}),
    "size": (_ROWS, {"chunk_type": "size", "chunk_size": "2"}),
    "count": (_ROWS, {"chunk_type": "count", "chunk_size": "7"}),
    "utf-16": (_ROWS.decode().encode("utf-16"), {"chunk_type": "rows", "chunk_size": "30000"}),
}


@pytest.mark.timeout(1800)
def test_killed_uploads_equal_unbroken_ones(tmp_path: Path, dice: random.Random) -> None:
    with killed_uploader(tmp_path) as uploader:
        expected = {name: _send_plainly(uploader, content, fields) for name, (content, fields) in _FILES.items()}
        client = ResumingClient(uploader.url, dice)
        sent = []
        with kills_at_random(uploader, dice, most=KILLS, longest_wait_s=3):
            for name in cycle(_FILES):
                content, fields = _FILES[name]
                sent.append((name, client.send(content, **fields)))
                if uploader.kills >= KILLS:
                    break
        sys.stdout.write(f"{uploader.kills} kills, {client.breaks} broken connections, {len(sent)} uploads\n")
        for name, upload_id in sent:
            assert description_of(uploader.url, upload_id) == expected[name]
        assert len({upload_id for _, upload_id in sent}) == len(sent)
        # What is left was created by a request whose client was never told: it has no byte, and expires.
        wait_until(lambda: not _begun(uploader.temp_dir), what="finished files are removed", deadline_s=90)


def _begun(temp_dir: Path) -> list[str]:
    """Return the resumable uploads that have bytes on the disk."""
    begun = []
    for upload_id in part_ids(temp_dir):
        with suppress(FileNotFoundError):  # just removed
            if (part_directory(temp_dir, upload_id) / "data").stat().st_size:
                begun.append(upload_id)
    return begun


def _send_plainly(uploader: KilledUploader, content: bytes, fields: dict[str, str]) -> dict[str, object]:
    answer = httpx.post(
        f"{uploader.url}/upload/csv",
        params={"dataset_name": "people", **fields},
        files={"file": ("people.csv", content)},
        timeout=120,
        trust_env=False,
    )
    assert answer.status_code == 202, answer.text
    return description_of(uploader.url, answer.json()["upload_id"])
