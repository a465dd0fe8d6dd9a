"""What is checked: a file, standard input, an object of an object store, or a web address."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from contracts.errors import NotAllowedError, SettingsError, SourceNotFoundError
from csvpipe.errors import UnavailableError
from csvpipe.settings import ClientSettings
from csvpipe.upload.source import STDIN, open_file, source_of
from csvpipe.verify.s3_objects import connect

BLOCK_BYTES = 1024 * 1024
_TIMEOUT_S = 60.0
_REFUSED = (401, 403)


@dataclass(frozen=True)
class CheckedSource:
    """A source and its content.

    Attributes:
        name: as it was given.
        size_bytes: its size; None if that is not known.
        blocks: its bytes, in blocks of at most :data:`BLOCK_BYTES`.
    """

    name: str
    size_bytes: int | None
    blocks: Iterator[bytes]


@contextmanager
def open_checked(name: str, *, settings: Callable[[], ClientSettings]) -> Iterator[CheckedSource]:
    """Open the source with this name.

    Args:
        name: a path, ``-``, or an address that starts with ``s3://``, ``https://`` or ``http://``.
        settings: returns the settings of the object store; called for ``s3://`` only.

    Raises:
        SourceNotFoundError: it does not exist.
        NotAllowedError: it may not be read.
        UnavailableError: the service with it does not answer.
        SettingsError: the address or a setting is wrong.
    """
    if name.startswith("s3://"):
        yield _open_object(name, settings())
    elif name.startswith(("https://", "http://")):
        with _open_address(name) as source:
            yield source
    else:
        path = Path(name)
        if path != STDIN and not path.exists():
            raise SourceNotFoundError(f"{name} does not exist")
        with open_file(path) as file:
            yield CheckedSource(name, source_of(file).size_bytes, iter(lambda: file.read(BLOCK_BYTES), b""))


def _open_object(name: str, settings: ClientSettings) -> CheckedSource:
    bucket, _, key = name.removeprefix("s3://").partition("/")
    if not bucket or not key:
        raise SettingsError(f"{name} is not the address of an object: s3://bucket/key")
    objects = connect(settings.model_copy(update={"s3_bucket": bucket}))
    found = objects.stat(key)
    if found is None:
        raise SourceNotFoundError(f"{name} does not exist")
    return CheckedSource(name, found.size_bytes, objects.read(key))


@contextmanager
def _open_address(address: str) -> Iterator[CheckedSource]:
    try:
        with httpx.stream(
            "GET", address, headers={"Accept-Encoding": "identity"}, timeout=_TIMEOUT_S, follow_redirects=True
        ) as response:
            _check_status(address, response.status_code)
            length = response.headers.get("Content-Length", "")
            size_bytes = int(length) if length.isascii() and length.isdigit() else None
            yield CheckedSource(address, size_bytes, response.iter_raw(BLOCK_BYTES))
    except httpx.InvalidURL as error:
        raise SettingsError(f"{address} is not a valid address: {error}") from error
    except httpx.HTTPError as error:
        raise UnavailableError(f"{address} cannot be read: {error or type(error).__name__}") from error


def _check_status(address: str, status: int) -> None:
    if status in _REFUSED:
        raise NotAllowedError(f"{address} may not be read (HTTP {status})")
    if 400 <= status < 500:
        raise SourceNotFoundError(f"{address} cannot be read (HTTP {status})")
    if status != 200:
        raise UnavailableError(f"{address} answers with HTTP {status}")
