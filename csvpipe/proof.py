"""What a verification looks at and what it finds."""

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
    """What the object store says of an object."""

    size_bytes: int
    metadata: Mapping[str, str]


class ObjectReader(Protocol):
    """A bucket, as far as a verification reads it."""

    def stat(self, key: str) -> StoredObject | None:
        """Return the object's size and user metadata, or None where there is no such object."""

    def read(self, key: str) -> Iterator[bytes]:
        """Give the object's bytes in blocks of any size.

        Raises:
            ObjectLostError: it is not there any more, or another one is in its place.
        """

    def keys(self, prefix: str) -> Iterator[str]:
        """Give every key that begins with ``prefix``."""


@dataclass(frozen=True)
class Difference:
    """One thing that is not as the manifest says: where, and what."""

    place: str
    what: str

    def __str__(self) -> str:
        """Return both in one line."""
        return f"{self.place}: {self.what}"


@dataclass(frozen=True)
class ChunkProof:
    """One chunk after its object has been read; ``differences`` is empty where all is as announced."""

    chunk: ManifestChunk
    differences: tuple[Difference, ...] = ()


@dataclass(frozen=True)
class SourceProof:
    """The source as it was put together again from the objects."""

    size_bytes: int
    sha256: str
    row_count: int


@dataclass
class Proof:
    """The outcome of a verification, with every difference in the order in which it was found."""

    manifest: Manifest
    chunks: list[ChunkProof] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    source: SourceProof | None = None
    """None where an object is missing or another one's bytes stand in it: then there is no source to speak of."""

    @property
    def holds(self) -> bool:
        """Whether every byte and every row is there, once, in order."""
        return not self.differences and self.source is not None
