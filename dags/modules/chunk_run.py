"""The steps of a chunk run, as functions that its tasks call."""

from __future__ import annotations

import logging
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
from dags.modules.batch import describe_chunks, unpack_messages
from dags.modules.errors import UploadGoneError
from dags.modules.nifi_api_client import NifiClient
from dags.modules.object_store import ExpectedChunk, ObjectStore
from dags.modules.uploader_client import UploaderClient
from dags.modules.validators import AllowedHosts, base_url, check_message

log = logging.getLogger(__name__)

NOT_OF_THE_MANIFEST = frozenset({"published_at", "api_endpoint"})
"""Fields that differ from one announcement of a chunk to the next; ``api_endpoint`` is held to the allow-list."""
_SHOWN_CHARS = 200


@dataclass(frozen=True, kw_only=True)
class ChunkRun:
    """What a run carries: chunks of one upload, checked, and the trace that they belong to, if any.

    ``base_url`` is the uploader's address in the newest message: it may have moved since the others.
    """

    upload_id: str
    base_url: str
    messages: list[ChunkMessage]
    traceparent: str | None = None

    @property
    def expected(self) -> list[ExpectedChunk]:
        """What must lie in the bucket at the end, each chunk once."""
        return list({message.chunk_id: ExpectedChunk.of(message) for message in self.messages}.values())


def read_run(conf: Mapping[str, Any], *, allowed: AllowedHosts, bucket: str) -> ChunkRun:
    """Read a run's conf. It is checked again: runs can be started by hand.

    Raises:
        InvalidMessageError: the conf has another form, or a message of it is not allowed.
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
    """Read the run of a task's context, against the configured allow-list and bucket.

    Raises:
        InvalidMessageError: the conf has another form, or a message of it is not allowed.
        ConfigurationError: the allow-list is not set.
    """
    from dags.modules.allow_list import load_allowed_hosts
    from dags.modules.object_store import load_bucket

    return read_run(context["dag_run"].conf or {}, allowed=load_allowed_hosts(), bucket=load_bucket())


def open_uploader(run: ChunkRun) -> UploaderClient:
    """Return the client for the run's upload."""
    return UploaderClient(base_url=run.base_url, upload_id=run.upload_id)


def keep_genuine(run: ChunkRun, uploader: UploaderClient) -> ChunkRun:
    """Return the run with the newest message of each chunk, of those that do not contradict the uploader's manifest.

    Those that do are logged by name. Whoever can write to the topic can announce a chunk that the uploader has cut
    otherwise, or as something other than CSV: every field is compared.

    Raises:
        InvalidMessageError: nothing is left.
        UploadGoneError: the upload was deleted.
        UploaderError: no answer, or not as agreed.
    """
    manifest = uploader.fetch_manifest()
    chunks = {chunk.chunk_id: chunk for chunk in manifest.chunks}
    genuine: dict[int, ChunkMessage] = {}
    for message in sorted(run.messages, key=_published_at):
        if wrong := _contradictions(message, manifest, chunks.get(message.chunk_id)):
            log.error("message of chunk %d (%s) refused: %s", message.chunk_id, message.filename, wrong)
        else:
            genuine[message.chunk_id] = message
    if not genuine:
        raise InvalidMessageError(
            f"no message of the run is of upload {run.upload_id} as the uploader at {run.base_url} knows it"
        )
    return replace(run, messages=[genuine[chunk_id] for chunk_id in sorted(genuine)])


def _published_at(message: ChunkMessage) -> datetime:
    return message.published_at


def _contradictions(message: ChunkMessage, manifest: Manifest, chunk: ManifestChunk | None) -> str:
    if chunk is None:
        return "the upload has no such chunk"
    known = _announced_fields(manifest, chunk)
    return ", ".join(
        f"{name} {str(getattr(message, name))[:_SHOWN_CHARS]!r} is {str(value)[:_SHOWN_CHARS]!r} at the uploader"
        for name, value in known.items()
        if getattr(message, name) != value
    )


def _announced_fields(manifest: Manifest, chunk: ManifestChunk) -> dict[str, Any]:
    """Return every field of the message that the uploader sends for ``chunk``, but for ``NOT_OF_THE_MANIFEST``."""
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
    """Return the ids of the missing chunks, without those that were relayed at ``since`` or later: NiFi has them.

    Raises:
        StoreError: the store does not answer.
        UploaderError: no answer, or not as agreed.
    """
    relayed = uploader.fetch_relayed(since)
    return [chunk_id for chunk_id in find_missing(run, store) if chunk_id not in relayed]


def find_missing(run: ChunkRun, store: ObjectStore) -> list[int]:
    """Return the ids of the chunks that do not lie in the bucket as announced.

    Raises:
        StoreError: the store does not answer.
    """
    missing = [look.chunk.chunk_id for look in store.look_at_all(run.expected) if look.fault is not None]
    log.info(
        "to send: chunks %s of %s",
        describe_chunks(missing) or "none",
        describe_chunks({m.chunk_id for m in run.messages}),
    )
    return missing


@contextmanager
def skip_deleted(upload_id: str) -> Iterator[None]:
    """Skip the task when its upload turns out to be deleted: there is nothing to bring any more.

    Raises:
        AirflowSkipException: it is.
    """
    from airflow.sdk.exceptions import AirflowSkipException

    try:
        yield
    except UploadGoneError as error:
        raise AirflowSkipException(f"upload {upload_id} was deleted: {error.detail}") from error


def relay(
    run: ChunkRun, chunk_ids: list[int], *, nifi: NifiClient, uploader: UploaderClient, traceparent: str | None = None
) -> None:
    """Send the messages of ``chunk_ids`` to NiFi with ``traceparent``, and report each as relayed.

    Raises:
        NifiError: NiFi cannot take them; those sent before stay sent.
        UploaderError: a report was not taken.
    """
    if not chunk_ids:
        return
    wanted = set(chunk_ids)
    nifi.check_ready()
    for message in run.messages:
        if message.chunk_id in wanted:
            # What was validated is what is sent, byte for byte as we write it: NiFi's parser gets nothing that ours
            # may have read in another way (a field twice, say).
            nifi.send(message.to_bytes(), traceparent=traceparent)
            uploader.report_relayed(message.chunk_id)
            log.info("chunk %d of %d relayed: %s", message.chunk_id, message.total_chunks, message.filename)


def publish(uploader: UploaderClient, store: ObjectStore) -> str | None:
    """Write the manifest's object when the whole upload has landed; return its key, or None.

    Several runs may carry chunks of one upload. Each has reported its own as landed before it looks here, and the
    uploader puts these reports in an order: so the run whose report was the last sees all landed, and "both see the
    other unfinished" cannot happen. Two that both see all landed write the same bytes.

    Raises:
        UploaderError: no answer, or not as agreed.
        StoreError: the manifest could not be written.
    """
    state = uploader.fetch_state()
    if state is not UploadState.LANDED:
        log.info("the upload is %s: the run that sees its last chunk land publishes the manifest", state)
        return None
    key = store.put_manifest(uploader.fetch_manifest())
    log.info("manifest written: %s/%s", store.bucket, key)
    return key
