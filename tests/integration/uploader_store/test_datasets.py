"""Totals and headers of datasets, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from contracts.states import ChunkState
from tests.support.uploader.uploads import ACTOR, SettableClock
from uploader.domain.records import ChunkRecord, UploadRecord
from uploader.store.store import Store


def land(chunk: ChunkRecord) -> ChunkRecord:
    return replace(chunk, state=ChunkState.LANDED)


def test_totals_by_name_with_the_last_upload(
    store: Store, create: Callable[..., UploadRecord], clock: SettableClock
) -> None:
    for name in ("b", "a", "a", "B", "a"):
        clock.advance(seconds=1)
        last = create(dataset_name=name)
        if name == "a":
            store.chunks.edit(last.upload_id, None, land, at=clock.now)
    store.uploads.abort(last.upload_id, force=True, at=clock.now, actor=ACTOR)
    found = store.datasets.list_page(limit=10, after=None, datasets=["*"])
    assert sorted(each.name for each in found) == ["B", "a", "b"]
    [totals] = [each for each in found if each.name == "a"]
    assert (totals.uploads, totals.landed, totals.failed, totals.rows) == (2, 2, 0, 6)
    assert totals.size_bytes == 2 * last.source_bytes
    assert (totals.last_upload.dataset_name, totals.chunk_counts) == ("a", {ChunkState.LANDED: 3})
    assert totals == store.datasets.find("a", datasets=["a*"])
    assert store.datasets.find("a", datasets=["b"]) is None
    first, *rest = found
    assert store.datasets.list_page(limit=10, after=first.name, datasets=["*"]) == rest
    assert store.datasets.list_page(limit=1, after=None, datasets=["*"]) == [first]


def test_changed_headers_newest_first(store: Store, create: Callable[..., UploadRecord], clock: SettableClock) -> None:
    assert store.datasets.find_last_header("people") is None
    ids = []
    for headers in (["id"], ["id"], ["id", "ä"], ["ä", "id"], ["ä", "id"]):
        clock.advance(seconds=1)
        ids.append(create(headers=headers).upload_id)
    changed = store.datasets.find_changed_headers("people", limit=5)
    assert [(each.upload_id, each.columns, before) for each, before in changed] == [
        (ids[3], ["ä", "id"], ["id", "ä"]),
        (ids[2], ["id", "ä"], ["id"]),
    ]
    assert store.datasets.find_changed_headers("people", limit=1) == changed[:1]
    last = store.datasets.find_last_header("people")
    assert last is not None
    assert last.upload_id == ids[4]
