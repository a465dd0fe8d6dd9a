"""The report of a verification, and the interface to the bucket."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from contracts.manifest import Manifest, ManifestChunk
from csvpipe.errors import CommandError


class ObjectLostError(CommandError):
    """An object was deleted or replaced while it was read."""

    code = "object_lost"
    title = "Object changed"


@dataclass(frozen=True)
class StoredObject:
    """Size and user metadata of an object. ``encryption_fault`` says how it is not encrypted as it should be."""

    size_bytes: int
    metadata: Mapping[str, str]
    encryption_fault: str | None = None


class ObjectReader(Protocol):
    """The operations on a bucket that a verification needs."""

    def stat(self, key: str) -> StoredObject | None:
        """Return the object's size, user metadata and encryption fault, or None if it does not exist."""

    def read(self, key: str) -> Iterator[bytes]:
        """Give the object's bytes in blocks of any size.

        Raises:
            ObjectLostError: it was deleted or replaced.
        """

    def keys(self, prefix: str) -> Iterator[str]:
        """Give every key that starts with ``prefix``."""


@dataclass(frozen=True)
class Difference:
    """One difference from the manifest: where, and what."""

    place: str
    what: str

    def __str__(self) -> str:
        """Return both in one line."""
        return f"{self.place}: {self.what}"


@dataclass(frozen=True)
class ChunkReport:
    """A chunk after its object was read; ``differences`` is empty if the object is the announced one."""

    chunk: ManifestChunk
    differences: tuple[Difference, ...] = ()


@dataclass(frozen=True)
class SourceReport:
    """The source rebuilt from the objects; of a compressed source, its content."""

    size_bytes: int
    sha256: str
    row_count: int


@dataclass
class UploadReport:
    """The result of a verification, with each difference in the order found."""

    manifest: Manifest
    chunks: list[ChunkReport] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    source: SourceReport | None = None
    """None if an object is missing or has other content: then there is no source to compare."""

    @property
    def is_verified(self) -> bool:
        """Whether the bucket holds every byte and every row, once and in order."""
        return not self.differences and self.source is not None
