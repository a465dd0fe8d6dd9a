"""Verification that the bucket holds an upload completely, in order and byte for byte.

It needs the manifest and the objects, and no service. Three things must agree: the ranges of the manifest leave no gap;
each object is the announced one; and all of them together have the SHA-256 and the number of rows of the uploaded file.
The SHA-256 alone verifies the bytes. The scanner that cut the rows (csvscan) also counts them here, so this finds rows
that were lost or damaged in transit, but not an error of the scanner itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from contracts.manifest import Manifest, ManifestChunk
from contracts.names import METADATA_SHA256, METADATA_UPLOAD_ID, object_key
from contracts.number_text import counted, format_count
from csvpipe.verify.chunk_reading import ChunkReading
from csvpipe.verify.manifest_check import check_manifest, place_of
from csvpipe.verify.report import (
    ChunkReport,
    Difference,
    ObjectLostError,
    ObjectReader,
    SourceReport,
    StoredObject,
    UploadReport,
)
from csvpipe.verify.source_rebuilder import SourceRebuilder

_CHUNK_FILE = re.compile(r".+_chunk_\d+_(?P<stamp>[^_]+)\.csv")


def verify_upload(
    manifest: Manifest,
    objects: ObjectReader,
    *,
    on_bytes: Callable[[int], None] = lambda _: None,
    on_chunk: Callable[[ChunkReport], None] = lambda _: None,
) -> UploadReport:
    """Read every object of the upload and return a report.

    Memory use is constant: objects are streamed one after the other, and nothing is written.

    Args:
        manifest: of the upload.
        objects: the bucket.
        on_bytes: called with the number of bytes after each block.
        on_chunk: called after each object.
    """
    report = UploadReport(manifest, differences=check_manifest(manifest))
    pass_ = _Pass(manifest, objects, on_bytes)
    for chunk in manifest.chunks:
        found = ChunkReport(chunk, tuple(pass_.read(chunk)))
        report.chunks.append(found)
        report.differences.extend(found.differences)
        on_chunk(found)
    if not any(chunk.differences for chunk in report.chunks):
        report.source, differences = pass_.finish()
        report.differences.extend(differences)
    report.differences.extend(find_extra_objects(manifest, objects))
    return report


def find_extra_objects(manifest: Manifest, objects: ObjectReader) -> Iterator[Difference]:
    """Give each object that claims to be a chunk of this upload and is not in the manifest.

    The chunks of an upload share a timestamp, so only objects with it are checked, not the whole dataset.
    """
    known = {chunk.key for chunk in manifest.chunks}
    stamps = {_stamp(chunk.filename) for chunk in manifest.chunks}
    folder = object_key(manifest.dataset_name, "")
    for key in objects.keys(folder + manifest.dataset_name + "_chunk_"):
        if key in known or _stamp(key.removeprefix(folder)) not in stamps:
            continue
        stored = objects.stat(key)
        owner = stored.metadata.get(METADATA_UPLOAD_ID, manifest.upload_id) if stored else None
        if owner == manifest.upload_id:
            yield Difference(f"object {key}", "is not in the manifest; readers of the dataset would get its rows twice")


class _Pass:
    """One pass over the objects, with the state that spans them."""

    def __init__(self, manifest: Manifest, objects: ObjectReader, on_bytes: Callable[[int], None]) -> None:
        self._manifest = manifest
        self._objects = objects
        self._on_bytes = on_bytes
        self._rebuilder = SourceRebuilder(manifest)
        self._rows = 0
        self._header: bytes | None = None
        self._chunk_ids = {chunk.sha256: chunk.chunk_id for chunk in manifest.chunks}

    def read(self, chunk: ManifestChunk) -> Iterator[Difference]:
        """Read the object of ``chunk`` and give each difference from the manifest."""
        stored = self._objects.stat(chunk.key)
        if stored is None:
            yield Difference(place_of(chunk), "the object does not exist")
            return
        reading = ChunkReading(
            header_bytes=self._manifest.header_bytes,
            delimiter=self._manifest.delimiter,
            encoding=self._manifest.encoding,
        )
        try:
            self._read_into(reading, chunk)
        except ObjectLostError as error:
            yield Difference(place_of(chunk), str(error))
            return
        self._rows += reading.rows
        if self._header is None and reading.sha256 == chunk.sha256:
            self._header = reading.header
        stored_faults = [*_metadata_faults(self._manifest, chunk, stored), *filter(None, [stored.encryption_fault])]
        for what in (*self._faults(chunk, reading), *stored_faults):
            yield Difference(place_of(chunk), what)

    def _read_into(self, reading: ChunkReading, chunk: ManifestChunk) -> None:
        for block in self._objects.read(chunk.key):
            body = reading.feed(block)
            self._rebuilder.feed(block if chunk is self._manifest.chunks[0] else body)
            self._on_bytes(len(block))
        reading.finish()

    def finish(self) -> tuple[SourceReport, list[Difference]]:
        """Return the source rebuilt from the objects, and each difference from the uploaded one."""
        content, source = self._rebuilder.finish()
        manifest = self._manifest
        pairs: list[tuple[str, object, object]] = [
            ("content, bytes", content.size_bytes, manifest.content_bytes),
            ("content, SHA-256", content.sha256, manifest.content_sha256),
            ("source, rows", self._rows, manifest.row_count),
        ]
        if source is not None:
            pairs += [
                ("source, bytes", source.size_bytes, manifest.source_bytes),
                ("source, SHA-256", source.sha256, manifest.source_sha256),
            ]
        differences = [
            Difference(what, f"{found} rebuilt from the objects, {expected} uploaded")
            for what, found, expected in pairs
            if found != expected
        ]
        rebuilt = source or content
        return SourceReport(rebuilt.size_bytes, rebuilt.sha256, self._rows), differences

    def _faults(self, chunk: ManifestChunk, reading: ChunkReading) -> Iterator[str]:
        if reading.sha256 != chunk.sha256 and reading.sha256 in self._chunk_ids:
            yield f"the object has the content of chunk {self._chunk_ids[reading.sha256]}"
            return
        if reading.size_bytes != chunk.size_bytes:
            yield f"the object has {counted(reading.size_bytes, 'byte')}, expected {format_count(chunk.size_bytes)}"
        if self._header is not None and reading.header != self._header:
            yield f"its header is {_shown(reading.header)}, expected {_shown(self._header)} as in the other chunks"
        if reading.row_fault is not None:
            yield f"it is not a valid CSV: {reading.row_fault}"
        elif reading.rows != chunk.row_count:
            yield f"the object has {counted(reading.rows, 'row')}, expected {format_count(chunk.row_count)}"
        if reading.sha256 != chunk.sha256:
            yield f"its SHA-256 is {reading.sha256}, expected {chunk.sha256}"


def _metadata_faults(manifest: Manifest, chunk: ManifestChunk, stored: StoredObject) -> Iterator[str]:
    """Give each contradiction in the metadata. Missing metadata, as in a copied bucket, is not a fault."""
    for name, expected in ((METADATA_SHA256, chunk.sha256), (METADATA_UPLOAD_ID, manifest.upload_id)):
        found = stored.metadata.get(name, expected)
        if found != expected:
            yield f"its metadata {name!r} is {found}, expected {expected}"


def _stamp(filename: str) -> str | None:
    match = _CHUNK_FILE.fullmatch(filename)
    return match["stamp"] if match else None


def _shown(header: bytes) -> str:
    text = header.decode("utf-8", "replace").strip()
    return repr(text if len(text) <= 60 else text[:57] + "...")
