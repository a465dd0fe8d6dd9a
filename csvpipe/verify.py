"""The proof that an upload lies in the bucket complete, in order, and byte for byte.

No service is asked: it takes the manifest and reads every object. Three things have to agree: the manifest's ranges
leave no gap, each object is what was announced, and all of them together give the SHA-256 and the number of rows of the
file as it was uploaded. The bytes are proven by their hash alone. The rows are counted by the scanner that cut them
(csvscan): that finds rows that got lost or damaged on the way, and would not find a mistake of the scanner itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from contracts.counts import counted, format_count
from contracts.manifest import Manifest, ManifestChunk
from contracts.names import METADATA_SHA256, METADATA_UPLOAD_ID, object_key
from csvpipe.manifest_check import check_manifest, place_of
from csvpipe.proof import ChunkProof, Difference, ObjectLostError, ObjectReader, Proof, SourceProof, StoredObject
from csvpipe.reading import ChunkReading
from csvpipe.rebuild import SourceRebuilder

_CHUNK_FILE = re.compile(r".+_chunk_\d+_(?P<stamp>[^_]+)\.csv")


def verify(
    manifest: Manifest,
    objects: ObjectReader,
    *,
    on_bytes: Callable[[int], None] = lambda _: None,
    on_chunk: Callable[[ChunkProof], None] = lambda _: None,
) -> Proof:
    """Read every object of the upload and return what was found.

    Memory stays flat: objects are streamed, one after the other, and nothing is written.

    Args:
        manifest: of the upload.
        objects: the bucket.
        on_bytes: called with the number of bytes after each block.
        on_chunk: called after each object.
    """
    proof = Proof(manifest, differences=check_manifest(manifest))
    pass_ = _Pass(manifest, objects, on_bytes)
    for chunk in manifest.chunks:
        found = ChunkProof(chunk, tuple(pass_.read(chunk)))
        proof.chunks.append(found)
        proof.differences.extend(found.differences)
        on_chunk(found)
    if not any(chunk.differences for chunk in proof.chunks):
        proof.source, differences = pass_.finish()
        proof.differences.extend(differences)
    proof.differences.extend(find_extra_objects(manifest, objects))
    return proof


def find_extra_objects(manifest: Manifest, objects: ObjectReader) -> Iterator[Difference]:
    """Give each object that claims to be a chunk of this upload and does not stand in the manifest.

    The chunks of one upload share their timestamp, so that only these are looked at, and not the whole dataset.
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
            yield Difference(f"object {key}", "it is not in the manifest: this chunk would be read twice")


class _Pass:
    """One pass over the objects: what runs from one to the next."""

    def __init__(self, manifest: Manifest, objects: ObjectReader, on_bytes: Callable[[int], None]) -> None:
        self._manifest = manifest
        self._objects = objects
        self._on_bytes = on_bytes
        self._rebuilder = SourceRebuilder(manifest)
        self._rows = 0
        self._header: bytes | None = None
        self._chunk_ids = {chunk.sha256: chunk.chunk_id for chunk in manifest.chunks}

    def read(self, chunk: ManifestChunk) -> Iterator[Difference]:
        """Read the object of ``chunk``, and give everything in which it is not what was announced."""
        stored = self._objects.stat(chunk.key)
        if stored is None:
            yield Difference(place_of(chunk), "there is no such object")
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
        for what in (*self._faults(chunk, reading), *_metadata_faults(self._manifest, chunk, stored)):
            yield Difference(place_of(chunk), what)

    def _read_into(self, reading: ChunkReading, chunk: ManifestChunk) -> None:
        for block in self._objects.read(chunk.key):
            body = reading.feed(block)
            self._rebuilder.feed(block if chunk is self._manifest.chunks[0] else body)
            self._on_bytes(len(block))
        reading.finish()

    def finish(self) -> tuple[SourceProof, list[Difference]]:
        """Return the source as the objects give it, and everything in which it is not what was uploaded."""
        content, source = self._rebuilder.finish()
        manifest = self._manifest
        pairs = (
            ("content, bytes", content.size_bytes, manifest.content_bytes),
            ("content, SHA-256", content.sha256, manifest.content_sha256),
            ("source, bytes", source.size_bytes, manifest.source_bytes),
            ("source, SHA-256", source.sha256, manifest.source_sha256),
            ("source, rows", self._rows, manifest.row_count),
        )
        differences = [
            Difference(what, f"the objects give {found}, uploaded was {expected}")
            for what, found, expected in pairs
            if found != expected
        ]
        return SourceProof(source.size_bytes, source.sha256, self._rows), differences

    def _faults(self, chunk: ManifestChunk, reading: ChunkReading) -> Iterator[str]:
        if reading.sha256 != chunk.sha256 and reading.sha256 in self._chunk_ids:
            yield f"it holds the bytes of chunk {self._chunk_ids[reading.sha256]}"
            return
        if reading.size_bytes != chunk.size_bytes:
            yield f"it has {counted(reading.size_bytes, 'byte')}, announced were {format_count(chunk.size_bytes)}"
        if self._header is not None and reading.header != self._header:
            yield f"its header is {_shown(reading.header)}, that of the others {_shown(self._header)}"
        if reading.row_fault is not None:
            yield f"it is no CSV any more: {reading.row_fault}"
        elif reading.rows != chunk.row_count:
            yield f"it has {counted(reading.rows, 'row')}, announced were {format_count(chunk.row_count)}"
        if reading.sha256 != chunk.sha256:
            yield f"its SHA-256 is {reading.sha256}, announced was {chunk.sha256}"


def _metadata_faults(manifest: Manifest, chunk: ManifestChunk, stored: StoredObject) -> Iterator[str]:
    """Metadata that is missing (a bucket that was copied) proves nothing; metadata that contradicts is a fault."""
    for name, expected in ((METADATA_SHA256, chunk.sha256), (METADATA_UPLOAD_ID, manifest.upload_id)):
        found = stored.metadata.get(name, expected)
        if found != expected:
            yield f"its metadata {name!r} is {found}, announced was {expected}"


def _stamp(filename: str) -> str | None:
    match = _CHUNK_FILE.fullmatch(filename)
    return match["stamp"] if match else None


def _shown(header: bytes) -> str:
    text = header.decode("utf-8", "replace").strip()
    return repr(text if len(text) <= 60 else text[:57] + "...")
