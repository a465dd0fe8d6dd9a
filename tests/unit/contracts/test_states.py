from __future__ import annotations

import pytest

from contracts.errors import IllegalStateChangeError
from contracts.states import (
    CHUNK_CHANGES,
    UPLOAD_CHANGES,
    ChunkState,
    UploadState,
    check_chunk_change,
    check_upload_change,
    summarise_chunks,
)


def test_tables_name_every_state() -> None:
    assert set(CHUNK_CHANGES) == set(ChunkState)
    assert set(UPLOAD_CHANGES) == set(UploadState)


def test_the_same_state_again_changes_nothing() -> None:
    assert not check_chunk_change(ChunkState.LANDED, ChunkState.LANDED)
    assert not check_upload_change(UploadState.ABORTED, UploadState.ABORTED)


def test_an_allowed_change_is_a_change() -> None:
    assert check_chunk_change(ChunkState.RELAYED, ChunkState.LANDED)


@pytest.mark.parametrize("new", [ChunkState.STORED, ChunkState.ANNOUNCED, ChunkState.RELAYED])
def test_a_landed_chunk_is_only_ever_cleaned_or_found_missing(new: ChunkState) -> None:
    with pytest.raises(IllegalStateChangeError, match="allowed: cleaned, failed"):
        check_chunk_change(ChunkState.LANDED, new)


def test_a_chunk_that_has_not_landed_is_never_cleaned() -> None:
    assert [s for s in ChunkState if ChunkState.CLEANED in CHUNK_CHANGES[s]] == [ChunkState.LANDED]


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ({ChunkState.STORED: 2}, UploadState.CHUNKED),
        ({ChunkState.STORED: 1, ChunkState.LANDED: 1}, UploadState.CHUNKED),
        ({ChunkState.ANNOUNCED: 2}, UploadState.ANNOUNCED),
        ({ChunkState.ANNOUNCED: 1, ChunkState.RELAYED: 1}, UploadState.LANDING),
        ({ChunkState.ANNOUNCED: 1, ChunkState.FAILED: 1}, UploadState.ANNOUNCED),
        ({ChunkState.LANDED: 1, ChunkState.CLEANED: 1}, UploadState.LANDED),
        ({ChunkState.LANDED: 1, ChunkState.FAILED: 1}, UploadState.FAILED),
    ],
)
def test_chunks_decide_the_state_of_their_upload(states: dict[ChunkState, int], expected: UploadState) -> None:
    assert summarise_chunks(states) == expected


def test_every_change_of_chunks_is_an_allowed_change_of_the_upload() -> None:
    for old in ChunkState:
        for new in CHUNK_CHANGES[old]:
            for other in ChunkState:
                before = summarise_chunks({old: 1}) if other is old else summarise_chunks({old: 1, other: 1})
                after = summarise_chunks({new: 1}) if other is new else summarise_chunks({new: 1, other: 1})
                check_upload_change(before, after)
