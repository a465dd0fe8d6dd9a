"""The end of a replica, played on this machine: its preStop hook, then TERM, with the command of its container."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

import httpx
import psutil
import pytest

from stack.ports import free_ports
from tests.support.kubernetes.manifests import Manifests
from tests.support.uploader.server import running_uploader
from tests.support.waiting import wait_until
from uploader.disk.directories import STAGING

WAIT_FOR_PROXIES = "sleep 10\n"
LONGEST = "timeout 840 "
FIELDS = b'--x\r\nContent-Disposition: form-data; name="dataset_name"\r\n\r\nslow\r\n'
FILE = (
    b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\nContent-Type: text/csv\r\n\r\na,b\n1,2\n'
)
REST = b"3,4\n\r\n--x--\r\n"


class SlowUpload:
    """An upload that stops in the middle until :meth:`finish`."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=120)
        length = len(FIELDS + FILE + REST)
        head = (
            "POST /upload/csv HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary=x\r\n"
            f"Content-Length: {length}\r\n\r\n"
        )
        self._socket.sendall(head.encode() + FIELDS + FILE)

    def finish(self) -> str:
        """Send the rest, and return the first line of the answer."""
        with self._socket:
            self._socket.sendall(REST)
            return self._socket.recv(65_536).split(b"\r\n")[0].decode()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()


def is_receiving(temp_dir: Path) -> bool:
    directory = temp_dir / STAGING
    return directory.is_dir() and any(directory.iterdir())


@contextmanager
def draining(hanoi: Manifests, temp_dir: Path, *, longest: str = LONGEST) -> Iterator[subprocess.Popen[bytes]]:
    """Run the preStop hook as the kubelet would, without its wait for the proxies."""
    command = hanoi.uploader().container["lifecycle"]["preStop"]["exec"]["command"]
    script = command[-1]
    assert WAIT_FOR_PROXIES in script
    assert LONGEST in script
    script = script.replace(WAIT_FOR_PROXIES, "").replace(LONGEST, longest)
    environment = {"PATH": os.environ["PATH"], "TEMP_DIR": str(temp_dir)}
    with subprocess.Popen([*command[:-1], script], env=environment) as process:
        try:
            yield process
        finally:
            stop_tree(process.pid)


def stop_tree(pid: int) -> None:
    with suppress(psutil.NoSuchProcess):
        for process in [*psutil.Process(pid).children(recursive=True), psutil.Process(pid)]:
            with suppress(psutil.NoSuchProcess):
                process.kill()


def is_waiting(process: subprocess.Popen[bytes]) -> bool:
    with suppress(psutil.NoSuchProcess):  # its children come and go
        return any(child.name() == "sleep" for child in psutil.Process(process.pid).children(recursive=True))
    return False


def upload(base_url: str) -> str:
    files = {"file": ("a.csv", b"a,b\n1,2\n", "text/csv")}
    answer = httpx.post(f"{base_url}/upload/csv", data={"dataset_name": "d"}, files=files, trust_env=False, timeout=60)
    return str(answer.json()["upload_id"])


def test_hook_waits_for_a_running_upload_while_chunks_are_served(hanoi: Manifests, tmp_path: Path) -> None:
    with running_uploader(tmp_path) as uploader:
        upload_id = upload(uploader.base_url)
        with SlowUpload(uploader.port) as slow:
            wait_until(lambda: is_receiving(tmp_path), what="the upload comes in", deadline_s=60, poll_s=0.02)
            with draining(hanoi, tmp_path) as hook:
                wait_until(lambda: is_waiting(hook), what="the hook waits", deadline_s=60, poll_s=0.02)
                address = f"{uploader.base_url}/chunks/{upload_id}/1/download"
                assert httpx.get(address, trust_env=False).status_code == 200
                assert hook.poll() is None
                assert slow.finish() == "HTTP/1.1 202 Accepted"
                assert hook.wait(timeout=60) == 0


def test_hook_ends_immediately_without_uploads(hanoi: Manifests, tmp_path: Path) -> None:
    with running_uploader(tmp_path), draining(hanoi, tmp_path) as hook:
        assert hook.wait(timeout=60) == 0


def test_hook_ends_after_its_deadline(hanoi: Manifests, tmp_path: Path) -> None:
    (tmp_path / STAGING / ("0" * 32)).mkdir(parents=True)
    with draining(hanoi, tmp_path, longest="timeout 1 ") as hook:
        assert hook.wait(timeout=60) == 0


@pytest.fixture
def port() -> int:
    return free_ports(1)[0]


def start(hanoi: Manifests, temp_dir: Path, port: int) -> subprocess.Popen[bytes]:
    """Start the container's command with its variables, but for places in the cluster, keys and certificates."""
    here = {
        "TEMP_DIR": str(temp_dir),
        "DATABASE_URL": f"sqlite:///{temp_dir}/manifest.sqlite3",
        "KAFKA_BROKER": "127.0.0.1:1",
        "KAFKA_SECURITY": "plaintext",
        "KAFKA_CA_FILE": "",
        "KAFKA_USERNAME": "",
        "KAFKA_PASSWORD": "",
        "ACCESS": "open",
        "TLS_CERT_FILE": "",
        "TLS_KEY_FILE": "",
        "S3_ENDPOINT": "",
        "S3_CA_FILE": "",
        "API_HOST": "127.0.0.1",
        "API_PORT": str(port),
        "LOW_DISK_MB": "0",
        "MIN_FREE_DISK_MB": "0",
        "PATH": os.environ["PATH"],
    }
    environment = {**hanoi.environment(hanoi.uploader(), pod_name="fastapi-csv-uploader-0"), **here}
    command = [sys.executable, "-m", "csvpipe", *hanoi.uploader().container["args"]]
    return subprocess.Popen(command, env=environment, cwd=temp_dir)


def answers(port: int) -> bool:
    """Return whether a worker answers soon; without one, the supervisor's port takes connections all the same."""
    with suppress(httpx.HTTPError):
        return httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False, timeout=2).status_code == 200
    return False


def test_upload_in_progress_at_term_is_completed(hanoi: Manifests, tmp_path: Path, port: int) -> None:
    process = start(hanoi, tmp_path, port)
    try:
        wait_until(lambda: answers(port), what="/health answers", deadline_s=120)
        with SlowUpload(port) as slow:
            wait_until(lambda: is_receiving(tmp_path), what="the upload comes in", deadline_s=60, poll_s=0.02)
            process.send_signal(signal.SIGTERM)
            wait_until(lambda: not answers(port), what="nothing new is taken", deadline_s=60, poll_s=0.05)
            assert slow.finish() == "HTTP/1.1 202 Accepted"
        process.wait(timeout=120)
        assert [path.read_bytes() for path in tmp_path.glob("*/slow_chunk_*.csv")] == [b"a,b\n1,2\n3,4\n"]
    finally:
        stop_tree(process.pid)
        process.wait()
