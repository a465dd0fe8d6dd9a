"""Whether the uploader can do its work: Kafka, the database of manifests, and the disk."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Literal

from pydantic import BaseModel, Field

from contracts.names import BYTES_PER_MB
from uploader.disk.chunk_files import ChunkFiles
from uploader.errors import ManifestUnavailableError, PublishError
from uploader.kafka.publisher import Publisher
from uploader.runtime.single_flight import SingleFlightCall
from uploader.store.store import Store

_CHECK_TIMEOUT_S = 5.0
_PING_WITHIN_S = 3.0
"""Less than a probe waits for (5 s in k8s/): that the database says nothing shall be in the answer."""
_log = logging.getLogger(__name__)


class Check(BaseModel):
    """One thing that the uploader needs."""

    ok: bool
    why: str | None = Field(None, description="what is wrong; null where nothing is")


class ReadyAnswer(BaseModel):
    """Everything that the uploader needs."""

    status: Literal["ready", "not_ready"]
    kafka: Check
    manifest: Check
    disk: Check


class KafkaProbe:
    """Asks Kafka from time to time, so that ``/ready`` answers at once. Calls block."""

    def __init__(self, publisher: Publisher, *, on_return: Callable[[], None] = lambda: None) -> None:
        self._publisher = publisher
        self._on_return = on_return
        self._fault: str | None = "not asked yet"

    @property
    def check(self) -> Check:
        """What was found last."""
        return Check(ok=self._fault is None, why=self._fault)

    def run_pass(self) -> bool:
        """Ask once; call ``on_return`` where Kafka has come back."""
        before = self._fault
        try:
            self._publisher.check(timeout_s=_CHECK_TIMEOUT_S)
        except PublishError as error:
            self._fault = error.detail
            if before is None or before == "not asked yet":
                _log.warning("Kafka is away, uploads are taken and announced later: %s", error.detail)
            return False
        self._fault = None
        if before is not None:
            _log.info("Kafka answers")
            self._on_return()
        return True


class Readiness:
    """Answers ``/ready``. Calls block."""

    def __init__(self, *, kafka: KafkaProbe, store: Store, files: ChunkFiles, min_free_disk_bytes: int) -> None:
        self._kafka = kafka
        self._store = store
        self._ping = SingleFlightCall(self._ask_store, timeout_s=_PING_WITHIN_S)
        self._files = files
        self._min_free_disk_bytes = min_free_disk_bytes

    def answer(self) -> ReadyAnswer:
        """Return what works and what does not."""
        kafka, manifest, disk = self._kafka.check, self._manifest(), self._disk()
        ready = kafka.ok and manifest.ok and disk.ok
        return ReadyAnswer(status="ready" if ready else "not_ready", kafka=kafka, manifest=manifest, disk=disk)

    def _ask_store(self) -> None:
        self._store.ping()

    def _manifest(self) -> Check:
        try:
            self._ping()
        except ManifestUnavailableError as error:
            return Check(ok=False, why=error.detail)
        return Check(ok=True)

    def _disk(self) -> Check:
        try:
            free = self._files.free_bytes()
            self._files.check_writable()
        except OSError as error:
            return Check(ok=False, why=f"TEMP_DIR: {error.strerror}")
        if free < self._min_free_disk_bytes:
            least = self._min_free_disk_bytes // BYTES_PER_MB
            return Check(ok=False, why=f"{free // BYTES_PER_MB} MB free, MIN_FREE_DISK_MB is {least}")
        return Check(ok=True)
