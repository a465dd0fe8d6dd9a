"""A fake of the uploader's HTTP API for the DAGs."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from hashlib import sha256

from contracts.api import ChunkStatus, StateChange, Status, UploadStatus
from contracts.errors import IllegalStateChangeError
from contracts.manifest import Manifest, ManifestChunk
from contracts.message import ChunkMessage
from contracts.names import chunk_filename, object_key, object_url
from contracts.states import ChunkState, UploadState, check_reported_change, summarise_chunks
from tests.support.dags.fake_server import Answer, FakeServer
from tests.support.signatures import FAKE_SIGNATURE

_PREFIX = b"a,b\n"


class FakeUploader(FakeServer):
    """Keeps uploads in memory, checks state changes by the real table, and serves chunks of two columns."""

    def __init__(self, port: int = 0) -> None:
        super().__init__(port)
        self.lock = threading.Lock()
        self.contents: dict[tuple[str, int], bytes] = {}
        self.messages: dict[tuple[str, int], ChunkMessage] = {}
        self.states: dict[tuple[str, int], ChunkState] = {}
        self.reasons: dict[tuple[str, int], str | None] = {}
        self.failed_at: dict[tuple[str, int], datetime | None] = {}
        """``published_at`` in the last report of each chunk."""
        self.relayed_at: dict[tuple[str, int], datetime] = {}
        self.aborted: set[str] = set()

    def add_upload(
        self, upload_id: str, *, dataset: str = "flights", chunks: int = 1, rows: int = 2
    ) -> list[ChunkMessage]:
        stamp = "20260131T235959123456Z"
        body = b"".join(b"%d,x\n" % (row % 10) for row in range(rows))
        for chunk_id in range(1, chunks + 1):
            content = _PREFIX + body
            filename = chunk_filename(dataset, chunk_id, stamp)
            start = len(_PREFIX) + (chunk_id - 1) * len(body)
            self.contents[upload_id, chunk_id] = content
            self.states[upload_id, chunk_id] = ChunkState.ANNOUNCED
            self.messages[upload_id, chunk_id] = ChunkMessage(
                upload_id=upload_id,
                dataset_name=dataset,
                chunk_id=chunk_id,
                total_chunks=chunks,
                filename=filename,
                chunk_size_mb=round(len(content) / 1048576, 6),
                row_count=rows,
                row_start=(chunk_id - 1) * rows + 1,
                row_end=chunk_id * rows,
                file_path=object_url("raw", object_key(dataset, filename)),
                headers=["a", "b"],
                header_count=2,
                published_at=datetime(2026, 1, 31, tzinfo=UTC),
                api_endpoint=f"{self.url}/chunks/{upload_id}/{chunk_id}/download/{FAKE_SIGNATURE}",
                size_bytes=len(content),
                sha256=sha256(content).hexdigest(),
                byte_start=start,
                byte_end=start + len(body),
            )
        return self.messages_of(upload_id)

    def messages_of(self, upload_id: str) -> list[ChunkMessage]:
        return [message for (upload, _), message in self.messages.items() if upload == upload_id]

    def states_of(self, upload_id: str) -> list[ChunkState]:
        return [state for (upload, _), state in self.states.items() if upload == upload_id]

    def upload_state(self, upload_id: str) -> UploadState:
        if upload_id in self.aborted:
            return UploadState.ABORTED
        counts: dict[ChunkState, int] = {}
        for state in self.states_of(upload_id):
            counts[state] = counts.get(state, 0) + 1
        return summarise_chunks(counts)

    def manifest(self, upload_id: str) -> Manifest:
        messages = self.messages_of(upload_id)
        content = _PREFIX + b"".join(self.contents[upload_id, m.chunk_id][len(_PREFIX) :] for m in messages)
        fields = set(ManifestChunk.model_fields) - {"key"}
        return Manifest(
            upload_id=upload_id,
            dataset_name=messages[0].dataset_name,
            source_filename="source.csv",
            source_bytes=len(content),
            source_sha256=sha256(content).hexdigest(),
            content_bytes=len(content),
            content_sha256=sha256(content).hexdigest(),
            encoding="utf-8",
            delimiter=",",
            headers=["a", "b"],
            header_bytes=len(_PREFIX),
            row_count=sum(m.row_count for m in messages),
            total_chunks=len(messages),
            bucket="raw",
            created_at=datetime(2026, 1, 31, tzinfo=UTC),
            chunks=[
                ManifestChunk(key=object_key(m.dataset_name, m.filename), **m.model_dump(include=fields))
                for m in messages
            ],
        )

    def answer(self, method: str, path: str, body: bytes) -> Answer:
        if (method, path) == ("POST", "/uploads/known"):
            ids = json.loads(body)["upload_ids"]
            return 200, {"known": sorted({upload_id for upload_id in ids if self.states_of(upload_id)})}
        return self._answer_of_upload(method, path.strip("/").split("/"), body)

    def _answer_of_upload(self, method: str, parts: list[str], body: bytes) -> Answer:
        match (method, parts):
            case ("GET", ["uploads", upload_id, "status"]) if self.states_of(upload_id):
                return 200, self._status(upload_id)
            case (_, ["uploads" | "chunks", upload_id, *_]) if upload_id in self.aborted:
                return 410, {"code": "upload_gone"}
            case ("GET", ["uploads", upload_id, "manifest"]) if self.states_of(upload_id):
                return 200, self.manifest(upload_id).model_dump_json().encode()
            case ("GET", ["chunks", upload_id, chunk_id, "download", _]) if (upload_id, int(chunk_id)) in self.contents:
                return 200, self.contents[upload_id, int(chunk_id)]
            case ("PUT", ["chunks", upload_id, chunk_id, "state"]) if (upload_id, int(chunk_id)) in self.states:
                return self._change((upload_id, int(chunk_id)), StateChange.model_validate_json(body))
        known = self.states_of(parts[1]) if len(parts) > 1 else []
        return 404, {"code": "not_found" if known else "upload_not_found"}

    def _status(self, upload_id: str) -> bytes:
        state, manifest = self.upload_state(upload_id), self.manifest(upload_id)
        states = self.states_of(upload_id)
        status = UploadStatus(
            upload_id=upload_id,
            dataset_name=manifest.dataset_name,
            source_filename=manifest.source_filename,
            status=Status.of(state),
            state=state,
            created_at=manifest.created_at,
            chunked_at=manifest.created_at,
            announced_at=None,
            landed_at=None,
            row_count=manifest.row_count,
            size_bytes=manifest.source_bytes,
            sha256=manifest.source_sha256,
            total_chunks=manifest.total_chunks,
            chunk_counts={each: states.count(each) for each in set(states)},
            error=None,
            final=False,
            chunks=[
                ChunkStatus(
                    **chunk.model_dump(include=set(ChunkStatus.model_fields)),
                    state=self.states[upload_id, chunk.chunk_id],
                    attempts=1,
                    announced_at=manifest.created_at,
                    relayed_at=self.relayed_at.get((upload_id, chunk.chunk_id)),
                    landed_at=None,
                    error=self.reasons.get((upload_id, chunk.chunk_id)),
                )
                for chunk in manifest.chunks
            ],
        )
        return status.model_dump_json().encode()

    def _change(self, chunk: tuple[str, int], report: StateChange) -> Answer:
        message, new = self.messages[chunk], report.state
        seen = (report.evidence.get("size_bytes"), report.evidence.get("sha256"))
        if new is ChunkState.LANDED and seen != (message.size_bytes, message.sha256):
            return 409, {"code": "evidence_mismatch"}
        with self.lock:
            try:
                check_reported_change(self.states[chunk], new)
            except IllegalStateChangeError as error:
                return 409, {"code": error.code, "detail": error.detail}
            self.states[chunk] = new
            if new is ChunkState.RELAYED:
                self.relayed_at[chunk] = datetime.now(UTC)
            self.reasons[chunk] = report.reason
            self.failed_at[chunk] = report.published_at
        return 200, {"chunk_id": chunk[1], "state": new}
