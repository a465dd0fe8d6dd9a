"""Readiness of the uploader: Kafka, the database of manifests, and the disk."""

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
"""Less than the timeout of a probe (5 s in k8s/), so that the response can report an unresponsive database."""
_UNCHECKED = "not checked yet"
_log = logging.getLogger(__name__)


class Check(BaseModel):
    """The state of one dependency."""

    ok: bool
    why: str | None = Field(None, description="the fault, or null if there is none")


class ReadyAnswer(BaseModel):
    """The state of every dependency of the uploader."""

    status: Literal["ready", "not_ready"]
    kafka: Check
    manifest: Check
    disk: Check


class KafkaProbe:
    """Checks Kafka periodically, so that ``/ready`` can answer immediately. Calls block."""

    def __init__(self, publisher: Publisher, *, on_return: Callable[[], None] = lambda: None) -> None:
        self._publisher = publisher
        self._on_return = on_return
        self._fault: str | None = _UNCHECKED

    @property
    def check(self) -> Check:
        """The result of the last check."""
        return Check(ok=self._fault is None, why=self._fault)

    def run_pass(self) -> bool:
        """Check Kafka once; call ``on_return`` if it is back."""
        before = self._fault
        try:
            self._publisher.check(timeout_s=_CHECK_TIMEOUT_S)
        except PublishError as error:
            self._fault = error.detail
            if before is None or before == _UNCHECKED:
                _log.warning("Kafka is unavailable; uploads will be announced later", extra={"error": error.detail})
            return False
        self._fault = None
        if before is not None:
            _log.info("Kafka is available")
            self._on_return()
        return True


class Readiness:
    """Answers ``/ready``. Calls block."""

    def __init__(self, *, kafka: KafkaProbe, store: Store, files: ChunkFiles, min_free_disk_bytes: int) -> None:
        self._kafka = kafka
        self._store = store
        self._ping = SingleFlightCall(self._ping_store, timeout_s=_PING_WITHIN_S)
        self._files = files
        self._min_free_disk_bytes = min_free_disk_bytes

    def answer(self) -> ReadyAnswer:
        """Return the state of each dependency (blocks)."""
        kafka, manifest, disk = self._kafka.check, self._manifest(), self._disk()
        ready = kafka.ok and manifest.ok and disk.ok
        return ReadyAnswer(status="ready" if ready else "not_ready", kafka=kafka, manifest=manifest, disk=disk)

    def _ping_store(self) -> None:
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
            return Check(ok=False, why=f"{free // BYTES_PER_MB} MiB free, MIN_FREE_DISK_MB is {least}")
        return Check(ok=True)
