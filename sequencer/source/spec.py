"""What is wrong with the way a source is written, said by what it seems to mean."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sequencer.errors import JobUsageError, SourceNotFoundError

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)(:/{0,2}|//)")
_S3 = "s3://bucket/key, or s3://bucket/prefix/"
_AS_OBJECT = "download it, or give the object as s3://bucket/key with S3_ENDPOINT"
_ADVICE = {
    "s3a": f"write it as {_S3}",
    "s3n": f"write it as {_S3}",
    "gs": "set S3_ENDPOINT=https://storage.googleapis.com and write s3://bucket/key",
    "http": _AS_OBJECT,
    "https": _AS_OBJECT,
    "file": "write the path alone, such as /data/big.csv",
}
_PATTERN = re.compile(r"[*?]|\[.+\]|\{.+\}")


def check_spec(spec: str) -> None:
    """Check that ``spec`` is ``s3://bucket/...`` or a local path.

    Raises:
        SourceNotFoundError: it names no bucket.
        JobUsageError: it has another scheme, or not two slashes behind it; the text says how to write it.
    """
    if spec.startswith("s3://"):
        if not spec.removeprefix("s3://").partition("/")[0]:
            raise SourceNotFoundError(f"{spec}: there is no bucket in it; write {_S3}")
        return
    match = _SCHEME.match(spec)
    if match is None or _exists(spec):
        return
    scheme, slashes = match[1].lower(), match[2]
    rest = spec[match.end() :].lstrip("/")
    if scheme == "s3":
        raise JobUsageError(f"{spec}: write it as s3://{rest}, in lower case and with a colon and two slashes")
    if scheme in _ADVICE or slashes == "://":
        advice = _ADVICE.get(scheme, f"sources are {_S3}, or local paths")
        raise JobUsageError(f"{spec}: the scheme {match[1]}: is not supported; {advice}")


@contextmanager
def explaining(spec: str) -> Iterator[None]:
    """Say of a source that is not there what it was probably meant to be.

    Raises:
        SourceNotFoundError: as the block does, with more to read.
    """
    try:
        yield
    except SourceNotFoundError as error:
        hint = _hint(spec)
        if not hint:
            raise
        raise type(error)(f"{error.detail}; {hint}", **error.extra) from error


def _hint(spec: str) -> str:
    is_object, folder = spec.startswith("s3://"), spec.rpartition("/")[0]
    if match := _PATTERN.search(spec):
        base = spec[: match.start()].rpartition("/")[0]
        if is_object:
            return f"patterns are not expanded: {base}/ reads all objects below it, in the order of their keys"
        return "patterns are not expanded: leave the quotes away and let the shell do it, or give the directory"
    if is_object and not spec.endswith("/") and folder != "s3:/":
        return f"a prefix ends in a slash: {spec}/"
    return ""


def _exists(spec: str) -> bool:
    try:
        return Path(spec).exists()
    except (OSError, ValueError):
        return False
