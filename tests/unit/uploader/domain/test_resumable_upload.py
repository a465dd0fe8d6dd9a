from __future__ import annotations

import json

import pytest

from uploader.domain.cutting import ChunkType, CutOptions
from uploader.domain.resumable_upload import dump_options, load_options


@pytest.mark.parametrize("delimiter", [None, b",", b"\t", b"\x01", b"\x7f"])
@pytest.mark.parametrize("chunk_type", ChunkType)
def test_options_come_back_from_json(delimiter: bytes | None, chunk_type: ChunkType) -> None:
    options = CutOptions(
        dataset_name="people", chunk_type=chunk_type, chunk_size=7, delimiter=delimiter, encoding="cp1252"
    )
    loaded = load_options(json.loads(json.dumps(dump_options(options))))
    assert loaded == options
    assert {name: type(value) for name, value in vars(loaded).items()} == {
        name: type(value) for name, value in vars(options).items()
    }
