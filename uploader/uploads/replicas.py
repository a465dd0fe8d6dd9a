"""This replica among the others that share its database: where they can be reached, and which of them is away."""

from __future__ import annotations

from datetime import timedelta

from uploader.domain.messages import download_url
from uploader.domain.records import UploadOverview
from uploader.domain.replica_identity import ReplicaIdentity
from uploader.errors import ChunkOnOtherReplicaError, ChunkRedirectedError, ReplicaUnavailableError
from uploader.runtime.clock import Clock
from uploader.store.store import Store

AWAY_AFTER = timedelta(seconds=20)
"""Four check-ins that did not come; the clocks of the replicas must agree to within less."""
_RETRY_AFTER_S = 10


class Replicas:
    """Says where the chunks of other replicas are to be had. All calls block."""

    def __init__(self, *, store: Store, replica: ReplicaIdentity, clock: Clock) -> None:
        self._store = store
        self._replica = replica
        self._clock = clock

    def check_in(self) -> bool:
        """Tell the others that this replica lives, and its address, which may be another than before its restart."""
        self._store.replicas.check_in(self._replica.name, base_url=self._replica.base_url, at=self._clock())
        return True

    def elsewhere(
        self, upload: UploadOverview, chunk_id: int, *, redirected_by: str | None
    ) -> ChunkRedirectedError | ChunkOnOtherReplicaError | ReplicaUnavailableError:
        """Return what to answer to a client that asks for a chunk whose file another replica holds.

        A client is sent on once, and never to the address that it has just asked at: where addresses are mixed up, it
        gets an error that says so instead of going round in circles.
        """
        chunk = f"chunk {chunk_id} of upload {upload.upload_id}"
        place = f"{chunk} is stored on replica {upload.replica}, not on {self._replica.name}"
        found = self._store.replicas.find(upload.replica)
        if found is None or found.base_url is None or found.seen_at is None:
            why = f"{upload.replica} has told nobody its address yet; use the one in the chunk's message"
            return ChunkOnOtherReplicaError(f"{place}; {why}", replica=upload.replica)
        if redirected_by is not None or found.base_url == self._replica.base_url:
            sender = "" if redirected_by is None else f", to which {redirected_by} sent for it"
            why = f"the API_BASE_URL of {upload.replica} leads to another; each replica needs one that leads to itself"
            return ChunkOnOtherReplicaError(f"{place}{sender}: {why}", replica=upload.replica)
        # In the future counts as well: the clock was put back, and a replica that lives has checked in since.
        if abs(self._clock() - found.seen_at) > AWAY_AFTER:
            why = f"{upload.replica} was last heard of at {found.seen_at.isoformat(timespec='seconds')}"
            what_to_do = (
                "its chunks are on its disk: start it again with the same volume and REPLICA_NAME, and ask again"
            )
            return ReplicaUnavailableError(
                f"{place}; {why}; {what_to_do}", replica=upload.replica, retry_after_s=_RETRY_AFTER_S
            )
        url = download_url(upload.upload_id, chunk_id, base_url=found.base_url)
        return ChunkRedirectedError(
            f"{place}; where {upload.replica} does not answer, ask here again after {AWAY_AFTER.seconds} s",
            replica=upload.replica,
            location=f"{url}?redirected_by={self._replica.name}",
        )
