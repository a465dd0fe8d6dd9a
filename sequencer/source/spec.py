"""Checks how a source is written, and suggests what was probably meant."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from contracts.errors import SourceNotFoundError
from sequencer.errors import JobUsageError

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)(:/{0,2}|//)")
_S3 = "s3://bucket/key, or s3://bucket/prefix/"
_AS_OBJECT = "download it, or use s3://bucket/key with S3_ENDPOINT"
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
        SourceNotFoundError: the bucket is missing.
        JobUsageError: it has another scheme, or not two slashes after it; the text has the correct form.
    """
    if spec.startswith("s3://"):
        if not spec.removeprefix("s3://").partition("/")[0]:
            raise SourceNotFoundError(f"{spec}: the bucket is missing; write {_S3}")
        return
    match = _SCHEME.match(spec)
    if match is None or _exists(spec):
        return
    scheme, slashes = match[1].lower(), match[2]
    rest = spec[match.end() :].lstrip("/")
    if scheme == "s3":
        raise JobUsageError(f"{spec}: write it as s3://{rest}, in lower case and with a colon and two slashes")
    if scheme in _ADVICE or slashes == "://":
        advice = _ADVICE.get(scheme, f"use {_S3}, or a local path")
        raise JobUsageError(f"{spec}: the scheme {match[1]}: is not supported; {advice}")


@contextmanager
def adding_hint(spec: str) -> Iterator[None]:
    """Add a hint to the error for a source that does not exist.

    Raises:
        SourceNotFoundError: that of the block, with the hint.
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
            return f"patterns are not expanded: {base}/ reads all objects below it, sorted by key"
        return "patterns are not expanded: omit the quotes so that the shell expands it, or use the directory"
    if is_object and not spec.endswith("/") and folder != "s3:/":
        return f"a prefix ends in a slash: {spec}/"
    return ""


def _exists(spec: str) -> bool:
    try:
        return Path(spec).exists()
    except (OSError, ValueError):
        return False
