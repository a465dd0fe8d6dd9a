"""What a message must fulfil before anything is done with it.

Whoever can write to the topic could otherwise make NiFi fetch any address it reaches, and store it under any key.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from contracts.errors import InvalidMessageError
from contracts.message import ChunkMessage, parse_message
from contracts.names import object_key, object_url
from dags.modules.errors import ConfigurationError
from dags.modules.settings import VARIABLE_ALLOWED_HOSTS

_ENTRY = re.compile(
    r"(?P<host>(\*\.)?[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(:(?P<port>[0-9]{1,5}))?"
    r"(?P<prefix>(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*)"
)
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class AllowedHosts:
    """Where chunks may be fetched from: host (or ``*.suffix``), port (``None``: any) and path before ``/chunks``."""

    entries: tuple[tuple[str, int | None, str], ...]

    def allow(self, host: str, port: int, prefix: str = "") -> bool:
        """Return whether chunks may be fetched from ``host:port`` under the path ``prefix``."""
        return any(
            _host_matches(host, name) and only in (None, port) and prefix == path for name, only, path in self.entries
        )


def parse_allowed_hosts(text: str | None) -> AllowedHosts:
    """Parse the Variable: ``host``, ``host:port`` or ``*.suffix:port``, comma separated.

    An entry may end in the path that a reverse proxy has before ``/chunks``: ``gateway:443/csv``.

    Raises:
        ConfigurationError: the list is empty or an entry has another form.
    """
    entries: list[tuple[str, int | None, str]] = []
    for raw in (text or "").split(","):
        entry = raw.strip()
        if not entry:
            continue
        match = _ENTRY.fullmatch(entry)
        if not match:
            raise ConfigurationError(
                f"Variable {VARIABLE_ALLOWED_HOSTS}: {entry!r} is not host, host:port or *.suffix:port, "
                "with or without the /path of a reverse proxy"
            )
        port = match["port"]
        entries.append((match["host"].lower().strip("[]"), int(port) if port else None, match["prefix"]))
    if not entries:
        raise ConfigurationError(f"Variable {VARIABLE_ALLOWED_HOSTS} is not set: it must name the uploader's host:port")
    return AllowedHosts(tuple(entries))


def validate_value(value: bytes | None, *, allowed: AllowedHosts, bucket: str) -> ChunkMessage:
    """Parse and check the value of a Kafka record.

    Raises:
        InvalidMessageError: it must go to the dead-letter topic; the text is the reason.
    """
    message = parse_message(value)
    check_message(message, allowed=allowed, bucket=bucket)
    return message


def check_message(message: ChunkMessage, *, allowed: AllowedHosts, bucket: str) -> None:
    """Check what the form alone does not tell: address, file name and place in the bucket agree with the rest.

    Raises:
        InvalidMessageError: they do not, or the address is not on the allow-list.
    """
    _check_names(message, bucket)
    _check_endpoint(message, allowed)


def base_url(message: ChunkMessage) -> str:
    """Return the uploader's address: ``api_endpoint`` without its path of the chunk (checked before)."""
    return message.api_endpoint.removesuffix(_endpoint_path(message))


def _check_names(message: ChunkMessage, bucket: str) -> None:
    form = rf"{re.escape(message.dataset_name)}_chunk_0*{message.chunk_id}_[0-9A-Za-z]+\.csv"
    if not re.fullmatch(form, message.filename):
        raise InvalidMessageError(
            f"filename: {message.filename!r} is not a chunk {message.chunk_id} of dataset {message.dataset_name!r}",
            field="filename",
        )
    expected = object_url(bucket, object_key(message.dataset_name, message.filename))
    if message.file_path != expected:
        raise InvalidMessageError(f"file_path: {message.file_path[:300]!r} is not {expected!r}", field="file_path")


def _check_endpoint(message: ChunkMessage, allowed: AllowedHosts) -> None:
    def refuse(why: str) -> InvalidMessageError:
        return InvalidMessageError(f"api_endpoint: {message.api_endpoint[:300]!r} {why}", field="api_endpoint")

    if not re.fullmatch(r"[!-~]+", message.api_endpoint) or "\\" in message.api_endpoint:
        # URL parsers disagree about these characters; what we check must be what NiFi fetches.
        raise refuse("has characters that do not belong into an address")
    try:
        url = urlsplit(message.api_endpoint)
        port = url.port or _DEFAULT_PORTS.get(url.scheme, 0)
    except ValueError as error:
        raise refuse(f"is not an address ({error})") from error
    if url.scheme not in _DEFAULT_PORTS or not url.hostname:
        raise refuse("must be an http or https address")
    if "@" in url.netloc or "?" in message.api_endpoint or "#" in message.api_endpoint:
        raise refuse("must have no user, query or fragment")
    if not url.path.endswith(_endpoint_path(message)):
        raise refuse(f"must end in {_endpoint_path(message)}")
    prefix = url.path.removesuffix(_endpoint_path(message))
    if not allowed.allow(url.hostname, port, prefix):
        raise refuse(f"points at {url.hostname}:{port}{prefix}, which is not in the Variable {VARIABLE_ALLOWED_HOSTS}")


def _endpoint_path(message: ChunkMessage) -> str:
    return f"/chunks/{message.upload_id}/{message.chunk_id}/download"


def _host_matches(host: str, name: str) -> bool:
    return host.endswith(name[1:]) and len(host) > len(name) - 1 if name.startswith("*.") else host == name
