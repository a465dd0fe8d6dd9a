"""The real uploader in a real uvicorn on a free port in this process, with a fake publisher."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from csvpipe.commands.serve import HTTP_PROTOCOL
from tests.support.network.certificates import CertificateAuthority
from tests.support.uploader.fake_publisher import FakePublisher
from tests.support.uploader.live_directory import entries
from tests.support.waiting import wait_until
from uploader.api.runtime import Runtime, runtime_of
from uploader.app import create_app
from uploader.assembly import Intervals
from uploader.disk.chunk_files import DISK_ID_FILE
from uploader.disk.directories import STAGING
from uploader.runtime.clock import Clock, utc_now
from uploader.settings import Settings


@dataclass(frozen=True)
class RunningUploader:
    """A running uploader."""

    port: int
    temp_dir: Path
    publisher: FakePublisher
    app: FastAPI
    client_tls: ssl.SSLContext | None = None
    """What a client needs to connect to it; None: it is served without TLS."""

    @property
    def base_url(self) -> str:
        """Return its URL."""
        return f"{self.runtime.settings.scheme}://127.0.0.1:{self.port}"

    @property
    def runtime(self) -> Runtime:
        """Return what is open in it."""
        return runtime_of(self.app)

    def files(self) -> set[str]:
        """Return all that is on its disk, but for the database and the id of the disk, by path."""
        found = {path.relative_to(self.temp_dir) for path in entries(self.temp_dir)}
        return {str(path) for path in found if "sqlite" not in path.name and str(path) not in {STAGING, DISK_ID_FILE}}


@contextmanager
def running_uploader(
    temp_dir: Path,
    *,
    publisher: FakePublisher | None = None,
    clock: Clock = utc_now,
    intervals: Intervals = Intervals(),  # noqa: B008  frozen
    http: str | type[asyncio.Protocol] = HTTP_PROTOCOL,
    certificates: Path | None = None,
    real_kafka: bool = False,
    **given: object,
) -> Iterator[RunningUploader]:
    """Serve the uploader with ``given`` settings, as ``csvpipe serve`` does; stop it in the end.

    With TLS if there is a directory for ``certificates``, which gets a directory for this port. With ``real_kafka``
    the fake publisher gets nothing.
    """
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        client_tls = None
        if certificates is not None:
            directory = certificates / str(port)
            directory.mkdir()
            authority = CertificateAuthority("the test's")
            certificate, key = authority.write_server_pair(directory, address="127.0.0.1")
            given |= {"tls_cert_file": certificate, "tls_key_file": key}
            client_tls = ssl.create_default_context(cafile=authority.write_certificate(directory / "ca.pem"))
        defaults = {"temp_dir": temp_dir, "api_port": port, "min_free_disk_mb": 0, "low_disk_mb": 0, "ballast_mb": 1}
        settings = Settings(**{**defaults, **given})
        publisher = publisher or FakePublisher()
        app = create_app(
            settings=settings, publisher=None if real_kafka else publisher, clock=clock, intervals=intervals
        )
        config = uvicorn.Config(
            app,
            loop="uvloop",
            http=http,
            ws="none",
            proxy_headers=bool(settings.forwarded_allow_ips),
            forwarded_allow_ips=settings.forwarded_allow_ips,
            log_config=None,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="uvicorn")
        thread.start()
        try:
            wait_until(lambda: server.started, what="the uploader serves", deadline_s=120, poll_s=0.02)
            yield RunningUploader(port=port, temp_dir=temp_dir, publisher=publisher, app=app, client_tls=client_tls)
        finally:
            server.should_exit = True
            thread.join()
