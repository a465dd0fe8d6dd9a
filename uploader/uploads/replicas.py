"""The other replicas that share the database: their addresses, and whether they are available."""

from __future__ import annotations

from datetime import datetime, timedelta

from uploader.access.signed_address import AddressSigner
from uploader.domain.messages import signed_url
from uploader.domain.records import UploadOverview
from uploader.domain.replica_identity import ReplicaIdentity
from uploader.errors import ChunkOnOtherReplicaError, ChunkRedirectedError, ReplicaUnavailableError
from uploader.runtime.clock import Clock
from uploader.store.store import Store

UNAVAILABLE_AFTER = timedelta(seconds=20)
"""Four missed check-ins. The clocks of the replicas must differ by less."""
_REDIRECT_VALID_FOR = timedelta(minutes=5)
_RETRY_AFTER_S = 10


class Replicas:
    """Checks this replica in, and finds the replica that stores a chunk. Calls block."""

    def __init__(self, *, store: Store, replica: ReplicaIdentity, signer: AddressSigner, clock: Clock) -> None:
        self._store = store
        self._replica = replica
        self._signer = signer
        self._clock = clock

    def check_in(self) -> bool:
        """Record that this replica is running, and its address, which a restart may have changed."""
        self._store.replicas.check_in(self._replica.name, base_url=self._replica.base_url, at=self._clock())
        return True

    def address_of(self, name: str) -> str:
        """Return the base URL of another replica.

        Raises:
            ReplicaUnavailableError: it has not checked in recently.
        """
        found = self._store.replicas.find(name)
        if found is None or found.base_url is None or found.seen_at is None or self._is_away(found.seen_at):
            raise ReplicaUnavailableError(
                f"replica {name}, which has the bytes of this upload, is unavailable: start it again with the same "
                "volume and REPLICA_NAME, then retry",
                replica=name,
                retry_after_s=_RETRY_AFTER_S,
            )
        return found.base_url

    def _is_away(self, seen_at: datetime) -> bool:
        # Also if it is in the future: the clock was set back, and a running replica has checked in since.
        return abs(self._clock() - seen_at) > UNAVAILABLE_AFTER

    def locate_elsewhere(
        self, upload: UploadOverview, chunk_id: int, *, redirected_by: str | None, signature: str | None = None
    ) -> ChunkRedirectedError | ChunkOnOtherReplicaError | ReplicaUnavailableError:
        """Return the answer for a client that asks for a chunk whose file is on another replica.

        A redirect has the client's own ``signature``, or a new one that is valid for minutes: HTTP clients do not send
        their key to another host. A client is redirected once, and never to the address that it has just asked: if
        addresses are mixed up, it gets an error that names the mistake instead of a redirect loop.
        """
        chunk = f"chunk {chunk_id} of upload {upload.upload_id}"
        place = f"{chunk} is stored on replica {upload.replica}, not on {self._replica.name}"
        found = self._store.replicas.find(upload.replica)
        if found is None or found.base_url is None or found.seen_at is None:
            why = f"{upload.replica} has not registered its address yet, so use api_endpoint from the chunk's message"
            return ChunkOnOtherReplicaError(f"{place}; {why}", replica=upload.replica)
        if redirected_by is not None or found.base_url == self._replica.base_url:
            sender = "" if redirected_by is None else f", to which {redirected_by} redirected"
            why = f"the API_BASE_URL of {upload.replica} leads to another replica; each needs one that leads to itself"
            return ChunkOnOtherReplicaError(f"{place}{sender}: {why}", replica=upload.replica)
        if self._is_away(found.seen_at):
            why = f"{upload.replica} last checked in at {found.seen_at.isoformat(timespec='seconds')}"
            what_to_do = "its chunks are on its disk: start it again with the same volume and REPLICA_NAME, then retry"
            return ReplicaUnavailableError(
                f"{place}; {why}; {what_to_do}", replica=upload.replica, retry_after_s=_RETRY_AFTER_S
            )
        signature = signature or self._signer.sign(upload.upload_id, chunk_id, valid_for=_REDIRECT_VALID_FOR)
        url = signed_url(upload.upload_id, chunk_id, base_url=found.base_url, signature=signature)
        return ChunkRedirectedError(
            f"{place}; if {upload.replica} does not answer, retry here after {UNAVAILABLE_AFTER.seconds} s",
            replica=upload.replica,
            location=f"{url}?redirected_by={self._replica.name}",
        )
