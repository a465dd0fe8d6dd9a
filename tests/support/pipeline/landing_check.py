"""Checks on the objects of a landed upload: every row of the generated file, once, complete and in order."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable, Collection

from contracts.manifest import Manifest, ManifestChunk
from contracts.names import manifest_key
from tests.support.pipeline.csv_data import HEADER, CsvFile


def check_landing(manifest: Manifest, keys: Collection[str], read: Callable[[str], bytes], file: CsvFile) -> None:
    """Check that the objects hold every row of ``file`` once, and nothing else.

    Neither the manifest's hashes nor its row numbers are trusted. Each object is read as CSV by Python's parser. Each
    row from :func:`~tests.support.pipeline.csv_data.write_csv` begins with its own number, which must equal its place
    in the manifest. All objects together must have the SHA-256 of the original file.

    Args:
        manifest: of the upload.
        keys: of all objects in the folder of the dataset.
        read: gives the bytes of an object.
        file: what was uploaded.
    """
    expected_keys = [*(chunk.key for chunk in manifest.chunks), manifest_key(manifest.dataset_name, manifest.upload_id)]
    assert sorted(keys) == sorted(expected_keys), "the objects of the dataset are not those of the manifest"
    digest, next_row, next_byte = hashlib.sha256(HEADER), 1, len(HEADER)
    for chunk in manifest.chunks:
        assert (chunk.row_start, chunk.byte_start) == (next_row, next_byte), f"{chunk.key} does not join the one before"
        content = read(chunk.key)
        _check_chunk(chunk, content)
        digest.update(memoryview(content)[len(HEADER) :])
        next_row, next_byte = chunk.row_end + 1, chunk.byte_end
    assert manifest.header_bytes == len(HEADER)
    assert next_row - 1 == file.rows == manifest.row_count
    assert next_byte == file.size_bytes == manifest.source_bytes
    assert digest.hexdigest() == file.sha256 == manifest.source_sha256


def _check_chunk(chunk: ManifestChunk, content: bytes) -> None:
    assert content.startswith(HEADER), f"{chunk.key} does not begin with the header of the file"
    assert content.endswith(b"\n"), f"{chunk.key} does not end with a record's end"
    assert len(content) == chunk.size_bytes == len(HEADER) + chunk.byte_end - chunk.byte_start, chunk.key
    assert hashlib.sha256(content).hexdigest() == chunk.sha256, chunk.key
    last = _check_rows(chunk, content)
    assert last == chunk.row_end == chunk.row_start + chunk.row_count - 1, f"{chunk.key} ends with row {last}"


def _check_rows(chunk: ManifestChunk, content: bytes) -> int:
    """Check that every row has its own number as its first field, and return the last one."""
    text = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8", newline="")
    records = csv.reader(text, strict=True)
    columns = len(next(records))
    row = chunk.row_start - 1
    try:
        for row, record in enumerate(records, start=chunk.row_start):
            assert len(record) == columns, f"{chunk.key}: row {row} has {len(record)} fields"
            assert record[0] == str(row), f"{chunk.key}: row {record[0]!r} lies where row {row} belongs"
    except csv.Error as error:
        raise AssertionError(f"{chunk.key}, after row {row}: {error}") from error
    return row
