"""The limits of a key over several worker processes on one database."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from stack.local import LocalStack
from tests.support.services import running_stack
from tests.support.uploader.postgres import PostgresServer

WORKERS = 3
REQUESTS = 200
PER_MINUTE = 10


@pytest.fixture(params=["sqlite", "postgresql"])
def stack(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LocalStack]:
    environment = {
        "UPLOADS_PER_MINUTE": str(PER_MINUTE),
        "UPLOADS_AT_ONCE_PER_KEY": "0",
        "MAX_CONCURRENT_UPLOADS": str(REQUESTS),
        "MIN_FREE_DISK_MB": "1",
    }
    if request.param == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres")
        environment["DATABASE_URL"] = server.new_database()
    with running_stack(tmp_path, ["uploader"], uploader_workers=WORKERS, uploader_environment=environment) as running:
        yield running


def test_workers_together_accept_exactly_the_uploads_of_the_limit(stack: LocalStack) -> None:
    url = stack.context.url(stack.context.settings.uploader_port)
    key = stack.context.secrets.client_key.get_secret_value()

    def upload(_: int) -> tuple[int, str]:
        # A connection each, so that the kernel spreads them over the workers.
        answer = httpx.post(
            f"{url}/upload/csv?dataset_name=people",
            files={"file": ("people.csv", b"id\n1\n")},
            headers={"Authorization": f"Bearer {key}"},
            timeout=120,
            trust_env=False,
        )
        return answer.status_code, answer.json().get("code", "")

    started = time.monotonic()
    with ThreadPoolExecutor(REQUESTS) as pool:
        answers = Counter(pool.map(upload, range(REQUESTS)))
    units_back = int((time.monotonic() - started) * PER_MINUTE / 60)
    assert set(answers) == {(202, ""), (429, "upload_rate_exceeded")}
    assert PER_MINUTE <= answers[202, ""] <= PER_MINUTE + units_back
