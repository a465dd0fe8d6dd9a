"""Uploaders, and raw connections to them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from tests.support.uploader.patient_protocol import PatientProtocol
from tests.support.uploader.raw_http import Connection, connected
from tests.support.uploader.server import RunningUploader, running_uploader
from uploader.http.http_limits import HttpLimits
from uploader.http.tls_handshake import TlsHandshake
from uploader.settings import Settings


@pytest.fixture(scope="module", params=["http", "https"])
def certificates(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path | None:
    """Run the tests without TLS and with it."""
    return tmp_path_factory.mktemp("certificates") if request.param == "https" else None


@pytest.fixture(scope="module")
def uploader(tmp_path_factory: pytest.TempPathFactory, certificates: Path | None) -> Iterator[RunningUploader]:
    directory = tmp_path_factory.mktemp("chunks")
    with short_silence(), running_uploader(directory, certificates=certificates, max_file_size_mb=50) as server:
        yield server


@contextmanager
def short_silence() -> Iterator[None]:
    """Let uploaders end a refused connection with TLS sooner: each test of a refusal waits for it."""
    from_settings = HttpLimits.from_settings

    def limits(settings: Settings) -> HttpLimits:
        return replace(from_settings(settings), linger_quiet_s=0.3)

    with patch.object(HttpLimits, "from_settings", limits):
        yield


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningUploader]:
    """Give an uploader without TLS, whose connections can be closed in one direction."""
    with running_uploader(tmp_path_factory.mktemp("chunks"), max_file_size_mb=50) as server:
        yield server


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory, certificates: Path | None) -> Iterator[RunningUploader]:
    """Give an uploader that waits for nothing long, except for what comes in a block of ``patience``."""
    directory = tmp_path_factory.mktemp("chunks")
    with (
        long_handshakes(),
        running_uploader(
            directory,
            certificates=certificates,
            http=PatientProtocol,
            request_timeout_s=0.5,
            keep_alive_s=1,
            send_timeout_s=1,
        ) as server,
    ):
        yield server


@contextmanager
def long_handshakes() -> Iterator[None]:
    """Let the end of a TLS handshake have its usual time: it is a timer of the event loop's own."""

    def handshake(*, limits: HttpLimits, **given: Any) -> TlsHandshake:
        return TlsHandshake(limits=replace(limits, request_timeout_s=HttpLimits.request_timeout_s), **given)

    with patch("uploader.http.direct_body_protocol.TlsHandshake", handshake):
        yield


@pytest.fixture
def connection(uploader: RunningUploader) -> Iterator[Connection]:
    with connected(uploader.port, tls=uploader.client_tls) as made:
        yield made


@pytest.fixture
def plain_connection(plain: RunningUploader) -> Iterator[Connection]:
    with connected(plain.port) as made:
        yield made
