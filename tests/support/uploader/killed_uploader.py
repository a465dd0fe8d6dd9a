"""An uploader of several workers that are killed at any moment, and a client that resumes after each kill."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import httpx
import psutil

from stack.local import LocalStack
from tests.support.services import OPEN_ACCESS, running_stack
from tests.support.uploader import tus
from tests.support.waiting import wait_until

_T = TypeVar("_T")
PIECE_BYTES = 64 * 1024
ABSENT = (httpx.TransportError,)
"""How a client sees that a worker was killed."""


class KilledUploader:
    """``csvpipe serve`` with two workers."""

    def __init__(self, stack: LocalStack) -> None:
        self.stack = stack
        settings = stack.context.settings
        self.url = f"http://{settings.host}:{settings.uploader_port}"
        self.temp_dir = stack.context.data_dir("uploader")
        self.kills = 0

    def kill_worker(self, dice: random.Random) -> None:
        """Kill one of the workers, which the server replaces."""
        [managed] = self.stack.processes_of("uploader")
        assert managed.pid is not None
        workers = [each for each in psutil.Process(managed.pid).children() if "resource_tracker" not in _command(each)]
        if workers:
            with suppress(psutil.NoSuchProcess):
                dice.choice(workers).send_signal(signal.SIGKILL)
                self.kills += 1

    def kill_all(self) -> None:
        """Kill all processes at once, and start them again."""
        [managed] = self.stack.processes_of("uploader")
        managed.kill(signal.SIGKILL, family=True)
        self.kills += 1
        self.stack.start(["uploader"])


@contextmanager
def killed_uploader(root: Path, **environment: str) -> Iterator[KilledUploader]:
    """Run the uploader until the block ends."""
    given = {**OPEN_ACCESS, "MIN_FREE_DISK_MB": "1", **environment}
    with running_stack(root, ["uploader"], uploader_workers=2, uploader_environment=given) as stack:
        yield KilledUploader(stack)


@contextmanager
def kills_at_random(
    uploader: KilledUploader, dice: random.Random, *, most: int, longest_wait_s: float
) -> Iterator[None]:
    """Kill workers at random moments, and now and then all of them, up to ``most`` times or until the block ends.

    Without an end, no worker of a busy machine might ever be done with its start.
    """
    over = threading.Event()

    def kill() -> None:
        while uploader.kills < most and not over.wait(dice.uniform(0, longest_wait_s)):
            if dice.random() < 0.1:
                uploader.kill_all()
            else:
                uploader.kill_worker(dice)

    thread = threading.Thread(target=kill, name="killer")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


class ResumingClient:
    """Sends files by the tus protocol, and checks that nothing that was acknowledged is ever lost."""

    def __init__(self, url: str, dice: random.Random, *, pause_s: float = 0.002) -> None:
        self._url = url
        self._dice = dice
        self._pause_s = pause_s
        self.breaks = 0

    def send(self, content: bytes, **fields: str) -> str:
        """Send ``content`` and return the id of its upload."""
        path = self._patiently(lambda client: tus.create(client, len(content), headers=tus.NO_HEADERS, **fields))
        acknowledged = 0
        while True:
            answer = self._patiently(lambda client: _found(tus.head(client, path)))
            offset = int(answer.headers["Upload-Offset"])
            assert offset >= acknowledged, f"{acknowledged} bytes were acknowledged, {offset} are there"
            if "CSVPipe-Upload" in answer.headers:
                return answer.headers["CSVPipe-Upload"]
            acknowledged = max(offset, self._try_patch(path, content, offset))

    def _try_patch(self, path: str, content: bytes, offset: int) -> int:
        """Send a random number of bytes, in pieces; return the offset that was acknowledged, or 0."""
        end = min(len(content), offset + self._dice.randrange(1, len(content) + 1))
        try:
            with httpx.Client(base_url=self._url, timeout=60, trust_env=False) as client:
                answer = tus.patch(
                    client, path, self._pieces(content[offset:end]), offset=offset, Content_Length=str(end - offset)
                )
        except ABSENT:
            self.breaks += 1
            return 0
        if answer.status_code == 204:
            return int(answer.headers["Upload-Offset"])
        assert answer.status_code in {423, 503}, answer.text
        return 0

    def _pieces(self, content: bytes) -> Iterator[bytes]:
        for start in range(0, len(content), PIECE_BYTES):
            yield content[start : start + PIECE_BYTES]
            time.sleep(self._pause_s)  # a line that is slow enough to be hit on

    def _patiently(self, call: Callable[[httpx.Client], _T | None]) -> _T:
        def attempt() -> _T | None:
            try:
                with httpx.Client(base_url=self._url, timeout=60, trust_env=False) as client:
                    return call(client)
            except ABSENT:
                self.breaks += 1
                return None

        return wait_until(attempt, what="the uploader answers", deadline_s=600, poll_s=0.05)


def _found(answer: httpx.Response) -> httpx.Response | None:
    if answer.status_code in {423, 503}:
        return None
    assert answer.status_code == 200, answer.headers
    return answer


def _command(process: psutil.Process) -> str:
    with suppress(psutil.NoSuchProcess):
        return " ".join(process.cmdline())
    return ""
