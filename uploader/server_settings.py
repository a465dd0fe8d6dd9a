"""Settings of the HTTP server: addresses, certificate, proxies in front, and limits of a connection."""

from __future__ import annotations

import re
import socket
from ipaddress import ip_network
from pathlib import Path
from typing import Self

from pydantic import Field, field_validator, model_validator

from contracts.settings import EnvironmentSettings

HTTP_ADDRESS = r"^https?://[^/\s?#]+[^\s?#]*$"
_ORIGIN = re.compile(r"https?://[^/\s,?#]+")
_WILDCARD_HOSTS = frozenset({"0.0.0.0", "::"})  # noqa: S104  recognised, not bound


class ServerSettings(EnvironmentSettings):
    """How the uploader is reached. Its settings class has these settings."""

    api_host: str = Field("127.0.0.1", min_length=1, description="Address to listen on.")
    api_port: int = Field(8000, ge=1, le=65_535, description="Port to listen on.")
    forwarded_allow_ips: str = Field(
        "",
        description="IP addresses or networks of the proxies in front, separated by commas. Only their X-Forwarded-For "
        "and X-Forwarded-Proto are believed; empty for none. The address of a client is in audit records.",
    )
    cors_origins: str = Field(
        "",
        description="Origins whose pages may call the API from a browser, such as https://data.example.com, separated "
        "by commas; empty for none, * for all.",
    )
    api_base_url: str | None = Field(
        None,
        pattern=HTTP_ADDRESS,
        description="Base URL at which NiFi and clients reach this replica, and no other; empty for "
        "http://API_HOST:API_PORT (https with TLS_CERT_FILE), with the host name if API_HOST is a wildcard address.",
    )
    tls_cert_file: Path | None = Field(
        None,
        description="PEM file of the certificate to serve HTTPS with, followed by those of intermediate authorities; "
        "loaded again when it changes. Empty for HTTP.",
    )
    tls_key_file: Path | None = Field(
        None, description="PEM file of the private key of TLS_CERT_FILE, without a passphrase."
    )

    request_timeout_s: float = Field(
        15.0,
        gt=0,
        le=3_600,
        allow_inf_nan=False,
        description="Time in seconds to receive the head of a request, and the body of requests other than uploads.",
    )
    keep_alive_s: int = Field(
        75,
        ge=1,
        le=3_600,
        description="Idle timeout of a connection in seconds; must be longer than that of a proxy in front.",
    )
    send_timeout_s: float = Field(
        60.0,
        gt=0,
        le=3_600,
        allow_inf_nan=False,
        description="Seconds after which a client that does not read its response is disconnected.",
    )
    max_connections: int = Field(
        2_500,
        ge=8,
        le=100_000,
        description="Maximum connections per worker process, less if its limit of open files is too low; a further one "
        "closes the connection that has been idle longest, or whose client has read nothing for longest, or gets 503.",
    )

    @field_validator("cors_origins")
    @classmethod
    def _origins(cls, value: str) -> str:
        for origin in _items(value):
            if origin != "*" and not _ORIGIN.fullmatch(origin):
                raise ValueError(f"must be origins such as https://data.example.com, without a path, got {origin!r}")
        return value

    @field_validator("forwarded_allow_ips")
    @classmethod
    def _proxies(cls, value: str) -> str:
        for proxy in _items(value):
            try:
                ip_network(proxy)
            except ValueError as error:
                raise ValueError(f"must be addresses or networks such as 10.0.0.0/8: {error}") from error
        return value

    @model_validator(mode="after")
    def _check_certificate(self) -> Self:
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            missing = "TLS_CERT_FILE" if self.tls_cert_file is None else "TLS_KEY_FILE"
            raise ValueError(f"{missing} is required: a certificate needs its key, and a key its certificate")
        return self

    @property
    def cors_origin_list(self) -> list[str]:
        """``CORS_ORIGINS`` as a list."""
        return _items(self.cors_origins)

    @property
    def scheme(self) -> str:
        """Scheme of the uploader's own addresses."""
        return "http" if self.tls_cert_file is None else "https"

    @property
    def base_url(self) -> str:
        """Base URL of this replica for clients, without a trailing slash."""
        if self.api_base_url is not None:
            return self.api_base_url.rstrip("/")
        host = socket.gethostname() if self.api_host in _WILDCARD_HOSTS else self.api_host
        return f"{self.scheme}://{f'[{host}]' if ':' in host else host}:{self.api_port}"


def _items(text: str) -> list[str]:
    """Return the items of a list that is separated by commas."""
    return [item.strip() for item in text.split(",") if item.strip()]
