"""A fake of NiFi for the DAGs: the process group in the REST API, and ListenHTTP."""

from __future__ import annotations

from collections.abc import Callable

from contracts.message import ChunkMessage
from tests.support.dags.fake_server import Answer, FakeServer


class FakeNiFi(FakeServer):
    """Answers the two calls of the REST API and accepts messages, which it passes to ``on_message``."""

    def __init__(self, port: int = 0, *, on_message: Callable[[ChunkMessage], None] = lambda _: None) -> None:
        super().__init__(port)
        self.on_message = on_message
        self.received: list[ChunkMessage] = []
        self.counts = {"runningCount": 7, "stoppedCount": 0, "invalidCount": 0}
        self.group_name = "csv-ingestion-raw-to-minio"
        self.listen_answers: list[int] = []
        """Statuses that ListenHTTP returns before it accepts messages again."""

    @property
    def listen_url(self) -> str:
        return f"{self.url}/csv-ingest"

    def answer(self, method: str, path: str, body: bytes) -> Answer:
        if (method, path) == ("GET", "/nifi-api/process-groups/root/process-groups"):
            return 200, {"processGroups": [{"id": "g-1", "component": {"name": self.group_name}, **self.counts}]}
        if (method, path) == ("POST", "/csv-ingest"):
            if self.listen_answers:
                return self.listen_answers.pop(0), {}
            message = ChunkMessage.model_validate_json(body)
            self.received.append(message)
            self.on_message(message)
            return 200, {}
        return 404, {}
