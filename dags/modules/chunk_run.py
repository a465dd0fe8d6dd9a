"""Steps of a chunk run, as functions for its tasks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from contracts.errors import InvalidMessageError
from contracts.manifest import Manifest, ManifestChunk
from contracts.message import CHUNK_CONTENT_TYPE, MESSAGE_VERSION, ChunkMessage
from contracts.names import BYTES_PER_MB, object_url
from contracts.states import UploadState
from contracts.traceparent import TRACEPARENT, parse_traceparent
from dags.modules.allowed_hosts import AllowedHosts, load_allowed_hosts
from dags.modules.errors import UploadDeletedError
from dags.modules.nifi_api_client import NiFiClient
from dags.modules.object_store import ExpectedChunk, ObjectStore, load_bucket
from dags.modules.run_request import describe_chunks, unpack_messages
from dags.modules.task_log import task_logger
from dags.modules.uploader_access import load_access
from dags.modules.uploader_client import UploaderClient
from dags.modules.validators import base_url, check_message

log = task_logger(__name__)

NOT_IN_MANIFEST = frozenset({"published_at", "api_endpoint"})
"""Fields that differ between two announcements of a chunk. ``api_endpoint`` is checked against the allow-list."""
_SHOWN_CHARS = 200


@dataclass(frozen=True, kw_only=True)
class ChunkRun:
    """The checked messages of a run: chunks of one upload, and their trace, if any.

    ``base_url`` is the uploader's address in the newest message, as the uploader may have moved since the older ones.
    """

    upload_id: str
    base_url: str
    messages: list[ChunkMessage]
    traceparent: str | None = None

    @property
    def expected(self) -> list[ExpectedChunk]:
        """The objects that the bucket must hold in the end, one for each chunk."""
        return list({message.chunk_id: ExpectedChunk.of(message) for message in self.messages}.values())


def parse_run(conf: Mapping[str, Any], *, allowed: AllowedHosts, bucket: str) -> ChunkRun:
    """Parse the conf of a run and check it again, as runs can be started by hand.

    Raises:
        InvalidMessageError: The conf has another form, or one of its messages is not allowed.
    """
    messages = unpack_messages(conf)
    for message in messages:
        check_message(message, allowed=allowed, bucket=bucket)
    return ChunkRun(
        upload_id=messages[0].upload_id,
        base_url=base_url(max(messages, key=_published_at)),
        messages=messages,
        traceparent=parse_traceparent(conf.get(TRACEPARENT)),
    )


def load_run(context: Mapping[str, Any]) -> ChunkRun:
    """Return the run of a task's context, checked against the configured allow-list and bucket.

    Raises:
        InvalidMessageError: The conf has another form, or one of its messages is not allowed.
        ConfigurationError: The allow-list is not set.
    """
    return parse_run(context["dag_run"].conf or {}, allowed=load_allowed_hosts(), bucket=load_bucket())


def open_uploader(run: ChunkRun) -> UploaderClient:
    """Return the client for the run's upload, with the key of the connection.

    Raises:
        ConfigurationError: The connection has no usable key.
    """
    return UploaderClient(base_url=run.base_url, upload_id=run.upload_id, access=load_access())


def keep_verified(run: ChunkRun, uploader: UploaderClient) -> ChunkRun:
    """Return the run with the newest message of each chunk, without those that contradict the uploader's manifest.

    Every field is compared, and each contradicting message is logged: any writer to the topic can announce chunk
    boundaries that the uploader does not have, or content that is not CSV.

    Raises:
        InvalidMessageError: No message is left.
        UploadDeletedError: The upload was deleted.
        UploaderError: The uploader does not answer, or its response is invalid.
    """
    manifest = uploader.fetch_manifest()
    chunks = {chunk.chunk_id: chunk for chunk in manifest.chunks}
    verified: dict[int, ChunkMessage] = {}
    for message in sorted(run.messages, key=_published_at):
        if mismatches := _describe_mismatches(message, manifest, chunks.get(message.chunk_id)):
            log.error(
                "Message refused: it contradicts the manifest",
                extra={
                    "upload_id": run.upload_id,
                    "chunk_id": message.chunk_id,
                    "path": message.filename,
                    "error": mismatches,
                },
            )
        else:
            verified[message.chunk_id] = message
    if not verified:
        raise InvalidMessageError(
            f"no message of the run matches upload {run.upload_id} in the manifest of the uploader at {run.base_url}"
        )
    return replace(run, messages=[verified[chunk_id] for chunk_id in sorted(verified)])


def _published_at(message: ChunkMessage) -> datetime:
    return message.published_at


def _describe_mismatches(message: ChunkMessage, manifest: Manifest, chunk: ManifestChunk | None) -> str:
    if chunk is None:
        return "the upload has no such chunk"
    expected = _announced_fields(manifest, chunk)
    return ", ".join(
        f"{name} is {str(getattr(message, name))[:_SHOWN_CHARS]!r}, expected {str(value)[:_SHOWN_CHARS]!r}"
        for name, value in expected.items()
        if getattr(message, name) != value
    )


def _announced_fields(manifest: Manifest, chunk: ManifestChunk) -> dict[str, Any]:
    """Return every field of the message that the uploader sends for ``chunk``, except ``NOT_IN_MANIFEST``."""
    return {
        "upload_id": manifest.upload_id,
        "dataset_name": manifest.dataset_name,
        **chunk.model_dump(exclude={"key"}),
        "total_chunks": manifest.total_chunks,
        "chunk_size_mb": round(chunk.size_bytes / BYTES_PER_MB, 6),
        "file_path": object_url(manifest.bucket, chunk.key),
        "headers": manifest.headers,
        "header_count": len(manifest.headers),
        "source_system": "fastapi",
        "version": MESSAGE_VERSION,
        "content_type": CHUNK_CONTENT_TYPE,
        "encoding": manifest.encoding,
    }


def find_unsent(run: ChunkRun, store: ObjectStore, uploader: UploaderClient, *, since: datetime) -> list[int]:
    """Return the ids of the missing chunks, except those relayed at ``since`` or later: NiFi has them.

    Raises:
        StoreError: The store does not answer.
        UploaderError: The uploader does not answer, or its response is invalid.
    """
    relayed = uploader.fetch_relayed(since)
    return [chunk_id for chunk_id in find_missing(run, store) if chunk_id not in relayed]


def find_missing(run: ChunkRun, store: ObjectStore) -> list[int]:
    """Return the ids of the chunks that the bucket does not hold as announced.

    Raises:
        StoreError: The store does not answer.
    """
    missing = [check.chunk.chunk_id for check in store.check_all(run.expected) if check.fault is not None]
    log.info(
        "Bucket checked",
        extra={
            "upload_id": run.upload_id,
            "chunks": describe_chunks({m.chunk_id for m in run.messages}),
            "missing_chunks": describe_chunks(missing) or "none",
        },
    )
    return missing


@contextmanager
def skip_if_deleted(upload_id: str) -> Iterator[None]:
    """Skip the task if its upload turns out to be deleted.

    Raises:
        AirflowSkipException: The upload was deleted.
    """
    from airflow.sdk.exceptions import AirflowSkipException

    try:
        yield
    except UploadDeletedError as error:
        raise AirflowSkipException(f"upload {upload_id} was deleted: {error.detail}") from error


def relay(
    run: ChunkRun, chunk_ids: list[int], *, nifi: NiFiClient, uploader: UploaderClient, traceparent: str | None = None
) -> None:
    """Send the messages of ``chunk_ids`` to NiFi with ``traceparent``, and report each chunk as relayed.

    Raises:
        NiFiError: NiFi cannot accept messages. Those sent before are not taken back.
        UploaderError: The uploader did not accept a report.
    """
    if not chunk_ids:
        return
    wanted = set(chunk_ids)
    nifi.check_ready()
    for message in run.messages:
        if message.chunk_id in wanted:
            # Send the validated message in our own serialization: NiFi's parser must not see bytes that it could read
            # differently from ours, such as a duplicate field.
            nifi.send(message.to_bytes(), traceparent=traceparent)
            uploader.report_relayed(message.chunk_id)
            log.info("Chunk relayed", extra={"upload_id": run.upload_id, "chunk_id": message.chunk_id})


def publish_if_landed(uploader: UploaderClient, store: ObjectStore) -> str | None:
    """Write the manifest's object if the whole upload has landed. Return its key, or None if it has not.

    Several runs can hold chunks of one upload. Each run reports its own chunks as landed before it checks the upload,
    and the uploader serializes these reports. So the run with the last report sees the upload as landed, and two runs
    cannot both see it as unfinished. If two runs both see it as landed, they write the same bytes.

    Raises:
        UploaderError: The uploader does not answer, or its response is invalid.
        StoreError: The manifest could not be written.
    """
    state = uploader.fetch_state()
    if state is not UploadState.LANDED:
        log.info("Manifest not published: the upload has not landed yet", extra={"state": str(state)})
        return None
    key = store.put_manifest(uploader.fetch_manifest())
    log.info("Manifest published", extra={"path": f"{store.bucket}/{key}"})
    return key
