"""The start of a chunk file on another replica, from its signed address."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from uploader.errors import ChunkGoneError, ChunkRedirectedError, ReplicaUnavailableError
from uploader.http.replica_trust import replica_trust

if TYPE_CHECKING:
    import httpx

_CONNECT_S, _READ_S = 5.0, 10.0
_RETRY_AFTER_S = 5


class ReplicaChunks:
    """Fetches from other replicas, so that a browser need not: their addresses may be internal. Calls block."""

    def __init__(self, *, ca_file: Path | None) -> None:
        self._ca_file = ca_file

    def read_start(self, redirect: ChunkRedirectedError, size_bytes: int) -> bytes:
        """Return the first ``size_bytes`` bytes of the chunk that ``redirect`` leads to, or all if it has fewer.

        Raises:
            ChunkGoneError: its file is no longer there.
            ReplicaUnavailableError: the replica does not answer, or with an error.
        """
        import httpx  # here alone: a single replica need not spend the memory

        address, replica = str(redirect.extra["location"]), str(redirect.extra["replica"])
        try:
            with (
                httpx.Client(
                    timeout=httpx.Timeout(_READ_S, connect=_CONNECT_S),
                    trust_env=False,
                    verify=replica_trust(self._ca_file),
                ) as client,
                client.stream("GET", address, headers={"Range": f"bytes=0-{size_bytes - 1}"}) as response,
            ):
                if response.status_code == 410:
                    raise ChunkGoneError("the file of chunk 1 has just been removed")
                response.raise_for_status()
                return _first_bytes(response, size_bytes)
        except httpx.HTTPError as error:
            raise ReplicaUnavailableError(
                f"the chunk is on replica {replica}, which does not send it ({error!r}); retry after {_RETRY_AFTER_S} "
                "seconds",
                replica=replica,
                retry_after_s=_RETRY_AFTER_S,
            ) from error


def _first_bytes(response: httpx.Response, size_bytes: int) -> bytes:
    found = bytearray()
    for piece in response.iter_raw():
        found += piece
        if len(found) >= size_bytes:
            break
    return bytes(found[:size_bytes])
