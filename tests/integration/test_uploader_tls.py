"""``csvpipe serve`` with TLS and two workers: uploads, a certificate that is replaced, and a start that is refused."""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from contracts.exit_codes import ExitCode
from stack.component import REPOSITORY
from stack.ports import free_ports
from tests.support.network.certificates import CertificateAuthority
from tests.support.waiting import wait_until

HOST = "127.0.0.1"
CSV = b"id,name\n" + b"".join(b"%d,name %d\n" % (row, row) for row in range(100_000))


@contextmanager
def serving(directory: Path, **given: object) -> Iterator[subprocess.Popen[str]]:
    """Run ``csvpipe serve`` with settings in the environment; stop it in the end."""
    defaults = {"TEMP_DIR": directory / "chunks", "KAFKA_BROKER": f"{HOST}:1", "MIN_FREE_DISK_MB": 0, "LOW_DISK_MB": 0}
    environment = {name: str(value) for name, value in {**defaults, **given}.items()}
    process = subprocess.Popen(
        [str(Path(sys.executable).with_name("csvpipe")), "serve", "--workers", "2", "--grace", "1"],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), **environment},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


def test_workers_serve_tls_and_all_take_a_new_certificate(tmp_path: Path) -> None:
    authority = CertificateAuthority("the test's")
    trusted = ssl.create_default_context(cafile=authority.write_certificate(tmp_path / "ca.pem"))
    certificate, key = authority.write_server_pair(tmp_path, address=HOST)
    (port,) = free_ports(1)
    url = f"https://{HOST}:{port}"

    def is_healthy() -> bool:
        try:
            return httpx.get(f"{url}/health", verify=trusted).status_code == 200
        except httpx.TransportError:
            return False

    with serving(tmp_path, TLS_CERT_FILE=certificate, TLS_KEY_FILE=key, API_PORT=port):
        wait_until(is_healthy, what="the uploader serves", deadline_s=60)
        answer = httpx.post(
            f"{url}/upload/csv", params={"dataset_name": "people"}, files={"file": CSV}, verify=trusted, timeout=60
        )
        assert answer.status_code == 202, answer.text
        assert answer.json()["tracking_url"].startswith(url)
        authority.write_server_pair(tmp_path, address=HOST)
        # Each connection is accepted by either worker; thirty of one alone are as good as impossible.
        seen = {ssl.get_server_certificate((HOST, port), timeout=30) for _ in range(30)}
    assert seen == {certificate.read_text()}


def test_serve_ends_with_an_error_that_names_the_setting(tmp_path: Path) -> None:
    certificate, key = CertificateAuthority("the test's").write_server_pair(tmp_path, address=HOST)
    key.unlink()
    with serving(tmp_path, TLS_CERT_FILE=certificate, TLS_KEY_FILE=key) as process:
        _, errors = process.communicate(timeout=60)
    assert process.returncode == ExitCode.CONFIGURATION
    assert f"TLS_KEY_FILE: {key} cannot be read" in errors
