"""Consistency of a manifest: totals, order, and ranges without gap or overlap."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from contracts.manifest import Manifest, ManifestChunk
from contracts.names import object_key
from contracts.number_text import counted, format_count
from csvpipe.verify.report import Difference


def check_manifest(manifest: Manifest) -> list[Difference]:
    """Return each contradiction within ``manifest``."""
    return [*_check_totals(manifest), *_check_names(manifest), *_check_order(manifest)]


def _check_totals(manifest: Manifest) -> Iterator[Difference]:
    if len(manifest.chunks) != manifest.total_chunks:
        yield Difference(
            "manifest", f"lists {counted(len(manifest.chunks), 'chunk')}, total_chunks is {manifest.total_chunks}"
        )
    if manifest.transcoded_from is None and manifest.compression is None:
        if manifest.content_sha256 != manifest.source_sha256:
            yield Difference(
                "manifest", "content_sha256 differs from source_sha256, but nothing was transcoded or unpacked"
            )
        if manifest.content_bytes != manifest.source_bytes:
            yield Difference(
                "manifest", "content_bytes differs from source_bytes, but nothing was transcoded or unpacked"
            )


def _check_names(manifest: Manifest) -> Iterator[Difference]:
    counts = Counter(chunk.key for chunk in manifest.chunks)
    for key, count in counts.items():
        if count > 1:
            yield Difference("manifest", f"{count} chunks have the key {key}")
    for chunk in manifest.chunks:
        if chunk.key != object_key(manifest.dataset_name, chunk.filename):
            yield Difference(place_of(chunk), f"its key does not match its file name {chunk.filename}")


def _check_order(manifest: Manifest) -> Iterator[Difference]:
    next_byte, next_row = manifest.header_bytes, 1
    for number, chunk in enumerate(manifest.chunks, start=1):
        place = place_of(chunk)
        if chunk.chunk_id != number:
            yield Difference(place, f"is entry {number} of the manifest")
        if chunk.byte_start != next_byte:
            yield Difference(place, f"starts at byte {chunk.byte_start} of the source, expected {next_byte}")
        if chunk.row_start != next_row:
            yield Difference(place, f"starts at row {chunk.row_start}, expected {next_row}")
        if chunk.row_end - chunk.row_start + 1 != chunk.row_count:
            yield Difference(
                place, f"rows {chunk.row_start} to {chunk.row_end} are not {counted(chunk.row_count, 'row')}"
            )
        body_bytes = chunk.byte_end - chunk.byte_start
        if chunk.size_bytes != manifest.header_bytes + body_bytes:
            yield Difference(
                place,
                f"its size of {counted(chunk.size_bytes, 'byte')} is not {format_count(manifest.header_bytes)} of "
                f"header and {format_count(body_bytes)} of rows",
            )
        next_byte, next_row = chunk.byte_end, chunk.row_end + 1
    if next_byte != manifest.content_bytes:
        yield Difference("manifest", f"the chunks end at byte {next_byte}, expected {manifest.content_bytes}")
    if next_row - 1 != manifest.row_count:
        yield Difference("manifest", f"the chunks end at row {next_row - 1}, expected {manifest.row_count}")


def place_of(chunk: ManifestChunk) -> str:
    """Return the name of a chunk in a difference."""
    return f"chunk {chunk.chunk_id} ({chunk.key})"
