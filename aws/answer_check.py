"""Checks that an answer to a ranged GET has the bytes that were requested, of the expected version."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from aws.object_version import LOOK_AT_ENDPOINT, ObjectVersion, encodings_of, opaque_tag
from contracts.errors import SourceChangedError, StoreResponseError

_CONTENT_RANGE = re.compile(r"bytes (\d{1,19})-(\d{1,19})/(\d{1,19})")


def check_answer(answer: Mapping[str, Any], *, begin: int, end: int, version: ObjectVersion, name: str) -> None:
    """Check that an answer to GET has the bytes from ``begin`` up to ``end`` (exclusive) of ``version``, unaltered.

    Raises:
        SourceChangedError: it is of another version.
        StoreResponseError: it has something else; the text names both.
    """
    fault = _range_fault(answer, begin, end, version) or _length_fault(answer, end - begin, version)
    etag = answer.get("ETag") or ""
    if opaque_tag(etag) not in ("", version.tag):
        raise SourceChangedError(
            f"{name} was replaced while it was read: its ETag was {version.etag} and is now {etag}; its "
            "rows may differ. Use a new JOB_ID and an empty partition for the new object"
        )
    if not opaque_tag(etag):
        fault = fault or "the answer has no ETag, unlike that to HEAD, so the version of the object is unknown"
    if fault:
        raise StoreResponseError(
            f"{name}: bytes {begin} to {end - 1} of {version.size_bytes} were requested, but {fault}. The answer was "
            f"discarded. {LOOK_AT_ENDPOINT}",
            byte=begin,
        )


def _range_fault(answer: Mapping[str, Any], begin: int, end: int, version: ObjectVersion) -> str | None:
    status = answer["ResponseMetadata"]["HTTPStatusCode"]
    if status == 200:
        is_whole = (begin, end) == (0, version.size_bytes)
        return None if is_whole else "the whole object came (status 200): the Range header was ignored"
    if status != 206:
        return f"the answer has status {status}"
    header = answer.get("ContentRange") or ""
    found = _CONTENT_RANGE.fullmatch(header.strip())
    if found is None:
        return f"the answer has no valid Content-Range ({header!r})"
    if (int(found[1]), int(found[2])) != (begin, end - 1):
        return f"bytes {found[1]} to {found[2]} came"
    return None if int(found[3]) == version.size_bytes else f"the answer is of an object of {found[3]} bytes"


def _length_fault(answer: Mapping[str, Any], size: int, version: ObjectVersion) -> str | None:
    encodings, length = encodings_of(answer.get("ContentEncoding")), answer.get("ContentLength")
    if version.encoding is not None and encodings != encodings_of(version.encoding):
        before, now = (", ".join(each) or "none" for each in (encodings_of(version.encoding), encodings))
        return f"its Content-Encoding is {now}, not {before} as in HEAD: it was compressed or decompressed on the way"
    if length is None:
        return "it was compressed on the way (Content-Encoding without Content-Length)" if encodings else None
    return None if int(length) == size else f"{length} bytes came (Content-Length)"
