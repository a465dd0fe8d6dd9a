"""A real NiFi with the flow of this checkout, with few retries."""

from __future__ import annotations

import ssl
import struct
from collections.abc import Mapping
from typing import Any

import httpx

from contracts.message import ChunkMessage
from contracts.names import BUCKET_RAW, object_key
from contracts.traceparent import TRACEPARENT
from nifi.client import NiFiClient
from nifi.deploy import Deployment, deploy
from nifi.listen_tls import LISTEN_TLS, ListenTls
from nifi.status import FlowStatus
from nifi.status import status as flow_status
from stack.components.nifi import NiFi
from stack.local import LocalStack
from tests.support.services import MinioServer, Service
from tests.support.waiting import wait_until

QUICK: Mapping[str, Mapping[str, Any]] = {
    "Fetch the chunk": {"retryCount": 2, "penaltyDuration": "100 ms", "maxBackoffPeriod": "200 ms"},
    "Fetch again, or give up": {"penaltyDuration": "100 ms"},
    "Put the object": {"penaltyDuration": "200 ms", "maxBackoffPeriod": "500 ms"},
}
"""The flow's own retries, in a hurry."""
_DEADLINE_S = 120


def flowfile_v3(content: bytes, attributes: Mapping[str, str]) -> bytes:
    """Return NiFi's own form of a FlowFile, which ListenHTTP takes with every attribute in it."""
    texts = [text.encode() for pair in attributes.items() for text in pair]
    packed = b"".join(struct.pack(">H", len(text)) + text for text in texts)
    return b"NiFiFF3" + struct.pack(">H", len(attributes)) + packed + struct.pack(">Q", len(content)) + content


class NiFiServer(Service):
    """NiFi, and the S3 server that its flow writes to."""

    def __init__(self, stack: LocalStack) -> None:
        super().__init__(stack, "nifi")
        self.component = NiFi(stack.context)
        self.minio = MinioServer(stack, "minio")

    @property
    def url(self) -> str:
        """Return NiFi's address."""
        return self.component.url

    def client(self) -> NiFiClient:
        """Return a client of its API."""
        return NiFiClient(self.url, access=self.component.access())

    def parameters(self) -> dict[str, str]:
        """Return what the stack itself would set, but for the port of the source: it is a fake on a port of its own."""
        own = self.component.flow_parameters()
        port = f":{self.stack.context.settings.uploader_port}/"
        pattern = own["source.url.pattern"].replace(port, ":[0-9]+/").replace("https://", "http://")
        # Like a deployment by hand, one without the parameters of TLS keeps what NiFi has.
        kept = {name: value for name, value in own.items() if (name, value) != (LISTEN_TLS, ListenTls.NONE)}
        return {**kept, "source.url.pattern": pattern}

    def deploy(self, **given: Any) -> Deployment:
        """Deploy the flow with this stack's parameters and quick retries, or with the given arguments instead.

        It accepts messages when this returns.
        """
        usual = {"parameters": self.parameters(), "scheduling": QUICK, "access": self.component.access()}
        deployment = deploy(**{"url": self.url, **usual, **given})
        self.component.await_ingest()
        return deployment

    def status(self) -> FlowStatus:
        """Return the state of the flow."""
        return flow_status(url=self.url, access=self.component.access())

    def post(
        self, body: bytes, *, content_type: str = "application/json", traceparent: str | None = None
    ) -> httpx.Response:
        """Post a message as the DAG does."""
        headers = {"Content-Type": content_type} | ({TRACEPARENT: traceparent} if traceparent else {})
        address = self.component.addresses()["ingest"]
        with httpx.Client(verify=self._tls(), timeout=60, trust_env=False) as client:
            return client.post(address, content=body, headers=headers)

    def _tls(self) -> ssl.SSLContext | bool:
        """Return what the DAG connects to a secure ListenHTTP with."""
        access = self.component.access("airflow")
        if access.cert_file is None:
            return True
        context = ssl.create_default_context(cafile=access.ca_file)
        context.load_cert_chain(access.cert_file, access.key_file)
        return context

    def send(self, message: ChunkMessage, *, traceparent: str | None = None) -> None:
        """Post a message that is in order."""
        assert self.post(message.to_bytes(), traceparent=traceparent).status_code == 200

    def logged(self, *parts: str) -> list[str]:
        """Return the lines of the log that hold all of ``parts``. One that is still being written is none yet."""
        log = self.component.app_log
        files = log.parent.glob(f"{log.stem}*{log.suffix}")  # one for each day, and of 50 MB at most
        texts = [file.read_text(errors="replace").rpartition("\n")[0] for file in files]
        return [line for text in texts for line in text.splitlines() if all(part in line for part in parts)]

    def wait_logged(self, *parts: str, count: int = 1) -> list[str]:
        """Wait until there are ``count`` such lines, or more."""

        def found() -> list[str]:
            lines = self.logged(*parts)
            return lines if len(lines) >= count else []

        what = f"{count} log lines with {' and '.join(parts)}"
        return wait_until(found, what=what, deadline_s=_DEADLINE_S, explain=self.describe)

    def wait_failed(self, message: ChunkMessage, reason: str) -> str:
        """Wait until the flow has given a chunk up for ``reason`` and return what it logged."""
        return self.wait_logged(f"failure.reason={reason}", f"chunk.upload_id={message.upload_id}")[0]

    def wait_landed(self, message: ChunkMessage) -> bytes:
        """Wait until a chunk's object is there and return its content."""
        key = object_key(message.dataset_name, message.filename)
        s3 = self.minio.client()
        wait_until(
            lambda: self.has_object(message), what=f"object {key}", deadline_s=_DEADLINE_S, explain=self.describe
        )
        return s3.get_object(Bucket=BUCKET_RAW, Key=key)["Body"].read()

    def has_object(self, message: ChunkMessage) -> bool:
        """Return whether a chunk's object is in the bucket."""
        key = object_key(message.dataset_name, message.filename)
        found = self.minio.client().list_objects_v2(Bucket=BUCKET_RAW, Prefix=key)
        return any(entry["Key"] == key for entry in found.get("Contents", []))

    def wait_queued(self, processor: str, count: int) -> None:
        """Wait until ``count`` FlowFiles wait for ``processor``.

        One that returns to its queue after an attempt may count twice for a moment, or not at all.
        """
        wait_until(
            lambda: sum(queue.count for queue in self.status().queues if queue.destination == processor) == count,
            what=f"{count} FlowFiles before {processor!r}",
            deadline_s=_DEADLINE_S,
            explain=self.describe,
        )

    def wait_empty(self) -> None:
        """Wait until nothing is queued."""
        wait_until(
            lambda: self.status().queued_count == 0,
            what="nothing stays queued",
            deadline_s=_DEADLINE_S,
            explain=self.describe,
        )

    def describe(self) -> str:
        """Return what one wants to know when a wait was in vain."""
        found = self.status()
        tail = self.component.app_log.read_text(errors="replace").splitlines()[-25:]
        return "\n".join([f"faults: {found.faults}", f"queues: {found.queues}", *tail])
