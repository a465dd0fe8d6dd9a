"""What the service needs of a database. All calls block: they are made from threads, never on the event loop."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol, Self

from contracts.states import ChunkState, UploadState
from uploader.domain.records import ChunkRecord, ReplicaRecord, UploadOverview, UploadRecord

ChunkEdit = Callable[[ChunkRecord], ChunkRecord]
"""Returns the chunk as it shall be, or the same chunk; what it raises rolls the transaction back."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """The sole right to announce one upload, until it runs out."""

    upload_id: str
    owner: str

    @classmethod
    def new(cls, upload_id: str) -> Self:
        """Return a claim that no other has."""
        return cls(upload_id=upload_id, owner=uuid.uuid4().hex)


@dataclass(frozen=True, kw_only=True)
class Page:
    """Which uploads to list: newest first, those that come after the place ``(created_at, upload_id)``."""

    limit: int
    after: tuple[datetime, str] | None = None
    dataset_name: str | None = None
    state: UploadState | None = None


class Restored(StrEnum):
    """What became of an upload that was to be stored from its manifest file."""

    STORED = "stored"
    WITHOUT_KEY = "without_key"
    """It is stored, and its idempotency key belongs to another upload now."""
    KNOWN = "known"
    """It was there already, and was left as it is."""


@dataclass(frozen=True, kw_only=True)
class UploadStatistics:
    """How many chunks a replica has on its disk, by state (each but ``cleaned``), and since when the oldest wait."""

    chunks: dict[ChunkState, int]
    oldest_in_outbox: datetime | None
    """When the oldest upload with a chunk to announce was cut."""
    oldest_unlanded: datetime | None
    """Since when the oldest chunk that was announced has not landed, failed or not: since its announcement, or since
    its upload was cut where it was announced again, as a chunk keeps the moment of its last announcement alone."""


class Store(Protocol):
    """Manifests, the outbox that they are, and leases. Every method is one transaction.

    Each raises :class:`uploader.errors.ManifestUnavailableError` where the database does not answer.
    """

    def create(
        self, upload: UploadRecord, chunks: Sequence[ChunkRecord], *, claim: Claim, claim_for: timedelta
    ) -> UploadRecord | None:
        """Store an upload with all its chunks, already claimed, or return the upload that holds its key.

        Raises:
            TimestampCollisionError: another upload of the dataset was created at the same moment.
        """

    def find(self, upload_id: str) -> UploadRecord | None:
        """Return one upload in full, without its chunks."""

    def find_many(self, upload_ids: Collection[str]) -> dict[str, UploadOverview]:
        """Return those of the uploads that are known."""

    def read(self, upload_id: str) -> tuple[UploadOverview, list[ChunkRecord]]:
        """Return an upload and its chunks in order, as of one moment.

        Raises:
            UploadNotFoundError: there is none of this id.
        """

    def read_chunk(self, upload_id: str, chunk_id: int) -> tuple[UploadOverview, ChunkRecord]:
        """Return one chunk and its upload.

        Raises:
            UploadNotFoundError: there is no upload of this id.
            ChunkNotFoundError: it has no such chunk.
        """

    def list_uploads(self, page: Page) -> list[tuple[UploadOverview, dict[ChunkState, int]]]:
        """Return a page of uploads, each with the number of its chunks by state."""

    def edit_chunks(
        self, upload_id: str, chunk_ids: Collection[int] | None, edit: ChunkEdit, *, at: datetime
    ) -> tuple[UploadOverview, list[ChunkRecord]]:
        """Apply ``edit`` to the chunks (None: all), alone with the upload, and derive the upload's state anew.

        Returns the upload and the chunks asked for, after the change.

        Raises:
            UploadNotFoundError: there is no upload of this id.
            ChunkNotFoundError: it has no such chunk.
            UploadGoneError: it was deleted.
            IllegalStateChangeError: the table does not allow a change.
        """

    def abort(self, upload_id: str, *, force: bool, at: datetime) -> UploadOverview:
        """Mark an upload as given up and free its idempotency key; once more changes nothing.

        Raises:
            UploadNotFoundError: there is no upload of this id.
            UploadInProgressError: chunks are announced or relayed, and ``force`` is not set.
        """

    def claim_unannounced(self, *, replica: str, owner: str, claim_for: timedelta, now: datetime) -> Claim | None:
        """Claim an upload of ``replica`` that has chunks to announce and that nobody works on.

        Of several the one that has waited longest since it was tried last, so that none starves the others.
        """

    def renew_claim(self, claim: Claim, *, claim_for: timedelta, now: datetime) -> bool:
        """Prolong a claim; False where another has taken it since."""

    def release_claim(self, claim: Claim, *, until: datetime) -> None:
        """Let others have the upload after ``until``, if the claim is still ours."""

    def unannounced(self, upload_id: str, *, limit: int) -> list[ChunkRecord]:
        """Return the first chunks that wait to be announced; none where the upload was deleted."""

    def void_future_moments(self, *, replica: str, now: datetime) -> int:
        """Let what happened to chunks of ``replica`` in the future have happened ``now``; return how many moments.

        The clock has been put back since: without this nothing would be announced again, or cleaned, until it is there.
        """

    def overdue(self, *, replica: str, before: datetime, reannounce_limit: int, limit: int) -> dict[str, list[int]]:
        """Return ids of chunks by upload that were announced or relayed ``before``, and have not landed.

        Those that have failed too, while they were announced again at most ``reannounce_limit`` times; none of an
        upload of which a chunk has landed since: that is slow, and announcing again would make it slower.
        """

    def landed(self, *, replica: str, before: datetime | None, limit: int) -> list[ChunkRecord]:
        """Return chunks whose files may go, those that landed first first (None: whenever they landed)."""

    def adopt(self, upload_ids: Collection[str], *, replica: str) -> list[str]:
        """Assign uploads that name another replica to ``replica``; return their ids."""

    def unlanded(self, *, replica: str) -> list[UploadOverview]:
        """Return the uploads of ``replica`` that are neither landed nor deleted."""

    def find_disk(self, replica: str) -> str | None:
        """Return the id of the disk that belongs to ``replica``; None where no such replica has started yet."""

    def assign_disk(self, replica: str, disk_id: str) -> str:
        """Make a disk that of ``replica``, unless it has one, and return which it has; a name it had before is free."""

    def find_replica(self, replica: str) -> ReplicaRecord | None:
        """Return one replica; None where none of this name has started yet."""

    def check_in(self, replica: str, *, base_url: str, at: datetime) -> None:
        """Note that ``replica``, which has a disk, lives and where it can be reached."""

    def watched_replicas(self, *, replica: str) -> dict[str, datetime]:
        """Return when replicas checked in last: ``replica``, and each that has uploads neither landed nor deleted."""

    def take_lease(self, name: str, *, owner: str, lease_for: timedelta, now: datetime) -> bool:
        """Take or prolong a lease; False where another owner holds it."""

    def drop_lease(self, name: str, *, owner: str) -> None:
        """Give a lease back, if it is ours."""

    def tally(self, *, replica: str) -> UploadStatistics:
        """Count the chunks on the disk of ``replica``, but for those of deleted uploads."""

    def restore(self, upload: UploadRecord, chunks: Sequence[ChunkRecord]) -> Restored:
        """Store an upload that a manifest file describes, unless it is known.

        Raises:
            TimestampCollisionError: another upload of the dataset was created at the same moment.
        """

    def check_usable(self) -> None:
        """Return if the database is, as far as is known, the one that was opened; does not ask it.

        Raises:
            ManifestLostError: it is gone, or another.
        """

    def declare_lost(self, why: str) -> None:
        """Refuse everything from now on: the database is not the one that the disk belongs to."""

    def ping(self) -> None:
        """Return if the database answers, and is the one that was opened."""

    def close(self) -> None:
        """Close all connections."""
