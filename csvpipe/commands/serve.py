"""``csvpipe serve``: run the uploader."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
import uvicorn

from uploader.http.server_certificate import ServerCertificate
from uploader.monitoring.multiprocess import shared_counters
from uploader.runtime.open_file_limit import raise_open_file_limit
from uploader.settings import Settings, load_settings
from uploader.tracing import check_tracing

HTTP_PROTOCOL = "uploader.http.direct_body_protocol:DirectBodyProtocol"
"""What uvicorn speaks HTTP with; with its own protocols the uploader receives more slowly, and bounds less."""


def command(
    *,
    workers: Annotated[int, typer.Option(min=1, help="Number of worker processes.")] = 1,
    host: Annotated[str | None, typer.Option(help="Address to listen on (default: API_HOST).")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Port to listen on (default: API_PORT).")] = None,
    grace: Annotated[int, typer.Option(min=0, help="Seconds for running requests to finish at a stop.")] = 30,
) -> None:
    """Run the uploader with the settings of the environment and .env (see .env.example).

    TERM or Ctrl-C stops it. An upload that does not end within --grace seconds is given up; nothing remains of it.
    """
    settings = read_settings(host=host, port=port)
    raise_open_file_limit()
    with shared_counters():
        uvicorn.run(
            "uploader.app:create_app",
            factory=True,
            http=HTTP_PROTOCOL,
            host=settings.api_host,
            port=settings.api_port,
            ws="none",
            proxy_headers=bool(settings.forwarded_allow_ips),
            forwarded_allow_ips=settings.forwarded_allow_ips,
            workers=workers,
            timeout_keep_alive=settings.keep_alive_s,
            timeout_graceful_shutdown=grace,
            log_config=None,
        )


def read_settings(*, host: str | None = None, port: int | None = None) -> Settings:
    """Check the settings; the options go into the environment, where every worker process reads them too.

    Raises:
        SettingsError: a setting is wrong; the text names each one.
    """
    for name, value in (("API_HOST", host), ("API_PORT", port)):
        if value is not None:
            os.environ[name] = str(value)
    settings = load_settings(env_file=Path(".env"))
    check_tracing(settings)
    ServerCertificate.from_settings(settings)
    return settings
