from __future__ import annotations

import json

import pytest

from csvscan import Strictness
from uploader.domain.cutting import ChunkType, CutOptions
from uploader.domain.resumable_upload import dump_options, load_options


@pytest.mark.parametrize("strict", Strictness)
@pytest.mark.parametrize("delimiter", [None, b";"])
def test_options_survive_being_stored_as_json(strict: Strictness, delimiter: bytes | None) -> None:
    options = CutOptions(
        dataset_name="d", chunk_type=ChunkType.ROWS, chunk_size=7, delimiter=delimiter, encoding="cp1252", strict=strict
    )
    loaded = load_options(json.loads(json.dumps(dump_options(options))))
    assert loaded == options
    assert loaded.strict is strict
