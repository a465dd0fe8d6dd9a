"""Validation of chunk messages.

Without it, any writer to the topic could make NiFi fetch any address that it can reach, and store it under any key.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from contracts.download_address import download_path
from contracts.errors import InvalidMessageError
from contracts.hidden_secrets import hide_secrets
from contracts.message import ChunkMessage, parse_message
from contracts.names import object_key, object_url
from dags.modules.allowed_hosts import DEFAULT_PORTS, AllowedAddress, AllowedHosts
from dags.modules.settings import VARIABLE_ALLOWED_HOSTS


def validate_value(value: bytes | None, *, allowed: AllowedHosts, bucket: str) -> ChunkMessage:
    """Parse and check the value of a Kafka record.

    Raises:
        InvalidMessageError: The record belongs in the dead-letter topic. The error text is the reason.
    """
    message = parse_message(value)
    check_message(message, allowed=allowed, bucket=bucket)
    return message


def check_message(message: ChunkMessage, *, allowed: AllowedHosts, bucket: str) -> None:
    """Check that address, file name and object key agree with the other fields.

    Raises:
        InvalidMessageError: A field does not agree, or the address is not on the allow-list.
    """
    _check_names(message, bucket)
    _check_endpoint(message, allowed)


def base_url(message: ChunkMessage) -> str:
    """Return the uploader's address: ``api_endpoint`` of a checked message, without the path of the chunk."""
    return _without_signature(message).removesuffix(download_path(message.upload_id, message.chunk_id))


def _check_names(message: ChunkMessage, bucket: str) -> None:
    form = rf"{re.escape(message.dataset_name)}_chunk_0*{message.chunk_id}_[0-9A-Za-z]+\.csv"
    if not re.fullmatch(form, message.filename):
        raise InvalidMessageError(
            f"filename: {message.filename!r} is not a name of chunk {message.chunk_id} of {message.dataset_name!r}",
            field="filename",
        )
    expected = object_url(bucket, object_key(message.dataset_name, message.filename))
    if message.file_path != expected:
        raise InvalidMessageError(
            f"file_path: expected {expected!r}, got {message.file_path[:300]!r}", field="file_path"
        )


def _check_endpoint(message: ChunkMessage, allowed: AllowedHosts) -> None:
    def refuse(reason: str) -> InvalidMessageError:
        shown = hide_secrets(message.api_endpoint)[:300]
        return InvalidMessageError(f"api_endpoint: {shown!r} {reason}", field="api_endpoint")

    if not re.fullmatch(r"[!-~]+", message.api_endpoint) or "\\" in message.api_endpoint:
        # URL parsers disagree about these characters, and NiFi must fetch the same address that we check.
        raise refuse("has characters that are not allowed in a URL")
    try:
        url = urlsplit(message.api_endpoint)
        port = DEFAULT_PORTS.get(url.scheme, 0) if url.port is None else url.port
    except ValueError as error:
        raise refuse(f"is not a valid URL ({error})") from error
    if url.scheme not in DEFAULT_PORTS or not url.hostname:
        raise refuse("must be an http or https URL")
    if "@" in url.netloc or "?" in message.api_endpoint or "#" in message.api_endpoint:
        raise refuse("must not have a user, query or fragment")
    path = download_path(message.upload_id, message.chunk_id)
    if not _without_signature(message).endswith(path):
        raise refuse(f"must end in {path} and a signature")
    prefix = url.path.rpartition("/")[0].removesuffix(path)
    if not allowed.allow(AllowedAddress(url.scheme, url.hostname, port, prefix)):
        address = f"{url.scheme}://{url.hostname}:{port}{prefix}"
        raise refuse(f"points to {address}, which is not in the Variable {VARIABLE_ALLOWED_HOSTS}")


def _without_signature(message: ChunkMessage) -> str:
    """Return the address without its signature, which every address of a :class:`ChunkMessage` has."""
    return message.api_endpoint.rpartition("/")[0]
