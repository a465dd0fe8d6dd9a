"""``make audit`` and the packages of the page: npm asks a fake registry for their known vulnerabilities."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.support.docs.shell_blocks import ROOT

LOCKED = json.loads((ROOT / "web" / "package-lock.json").read_text())["packages"]
_OF_THE_OUTER_MAKE = {"MAKEFLAGS", "MFLAGS", "MAKELEVEL", "PAGE"}
ADVISORY = {
    "id": 1,
    "url": "https://example.invalid/advisory",
    "title": "a vulnerability of this test",
    "severity": "low",
    "vulnerable_versions": "*",
    "cwe": [],
    "cvss": {"score": 0, "vectorString": None},
}


class FakeRegistry(ThreadingHTTPServer):
    """Answers npm's question for advisories with ``advisories``, or refuses it if that is None."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.advisories: dict[str, list[dict[str, Any]]] | None = {}
        self.asked: dict[str, list[str]] = {}


class _Handler(BaseHTTPRequestHandler):
    server: FakeRegistry

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.advisories is None or not self.path.endswith("/advisories/bulk"):
            self._answer(405, {})
            return
        self.server.asked = json.loads(gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body)
        self._answer(200, self.server.advisories)

    def do_GET(self) -> None:
        self._answer(404, {})

    def _answer(self, status: int, content: object) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Write nothing to the output of the tests."""


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def audit(registry: FakeRegistry, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    environment = {
        **{name: value for name, value in os.environ.items() if name not in _OF_THE_OUTER_MAKE},
        "npm_config_registry": f"http://127.0.0.1:{registry.server_port}/",
        "npm_config_cache": str(tmp_path),
        "npm_config_fetch_retries": "0",
    }
    command = ["make", "--no-print-directory", "audit-page"]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_every_locked_package_is_asked_for(registry: FakeRegistry, tmp_path: Path) -> None:
    done = audit(registry, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    locked = {(path.rpartition("node_modules/")[2], each["version"]) for path, each in LOCKED.items() if path}
    assert {(name, version) for name, versions in registry.asked.items() for version in versions} == locked


@pytest.mark.parametrize("package", ["tus-js-client", "vite"], ids=["of the page", "of its build"])
def test_vulnerable_package_fails_the_audit_and_is_named(registry: FakeRegistry, tmp_path: Path, package: str) -> None:
    registry.advisories = {package: [ADVISORY]}
    done = audit(registry, tmp_path)
    assert done.returncode != 0
    assert package in done.stdout
    assert str(ADVISORY["title"]) in done.stdout


def test_registry_without_advisories_fails_the_audit(registry: FakeRegistry, tmp_path: Path) -> None:
    registry.advisories = None
    assert audit(registry, tmp_path).returncode != 0
