"""Hooks for schemathesis: file contents, cursors, and fields that the OpenAPI document cannot describe.

Loaded by schemathesis itself (``SCHEMATHESIS_HOOKS``); :mod:`tests.integration.test_api_conformance` runs it.
"""

from __future__ import annotations

import os
from typing import Any

import schemathesis
from hypothesis import strategies as st

_CELL = st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["C"], exclude_characters='"'), max_size=8)


def _csv(rows: list[list[str]]) -> bytes:
    lines = ["id,name,note", *(",".join(f'"{cell}"' for cell in row) for row in rows)]
    return "\n".join(lines).encode()


schemathesis.openapi.format("binary", st.lists(st.lists(_CELL, min_size=3, max_size=3), max_size=20).map(_csv))
schemathesis.openapi.format("csv-delimiter", st.sampled_from([",", "comma", "auto"]))
schemathesis.openapi.format("text-encoding", st.sampled_from(["utf-8", "UTF8", "auto"]))
schemathesis.openapi.format("http-digest", st.just("sha-512=:AAAA:"))  # ignored: that of a form is not known before
schemathesis.openapi.format("audit-cursor", st.just("WyIyMDI2LTAxLTMxVDEyOjAwOjAwKzAwOjAwIiwgInJlcGxpY2EtMCIsIDFd"))
schemathesis.openapi.format("upload-metadata", st.just("dataset_name Y29uZm9ybWFuY2U=,filename YS5jc3Y="))
schemathesis.openapi.format("upload-checksum", st.just("sha1 2jmj7l5rSw0yVb/vlWAYkK/YBwk="))
schemathesis.openapi.format("cursor", st.just(os.environ["CSVPIPE_TEST_CURSOR"]))


_LIMIT = int(os.environ["CSVPIPE_TEST_MAX_CHUNKS"])


@schemathesis.serializer("application/offset+octet-stream")
def write_bytes(context: Any, value: Any) -> bytes:
    """Return the piece of a file as it is; what is none, for calls that are to be refused, as text."""
    return value if isinstance(value, bytes) else str(value).encode(errors="replace")


@schemathesis.hook
def filter_body(context: Any, body: Any) -> bool:
    """Leave out forms that ask for more chunks than ``MAX_CHUNKS``, or for chunks by count without their number."""
    if not isinstance(body, dict) or body.get("chunk_type") != "count":
        return True
    size = body.get("chunk_size")
    return isinstance(size, int) and size <= _LIMIT


_OF_THE_LENGTH = {"upload-length", "upload-defer-length", "upload-checksum"}


def _accepted_fields(key: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a new key that would be refused for a rule that the document does not have."""
    changed: dict[str, Any] = {}
    if key.get("expires_at"):
        changed["expires_at"] = "2099-12-31T00:00:00Z"
    if "admin" in key["permissions"]:
        changed["datasets"] = ["*"]
    return changed


# The query alone is edited: a form that is edited is validated anew, and its file, as bytes, is no "string".
@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    """Give an upload that is to be accepted its dataset once, in the form or in the query, and a key what it needs."""
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    if case.operation.label == "POST /files":
        given = {name: value for name, value in case.headers.items() if name.lower() not in _OF_THE_LENGTH}
        case.headers = {**given, "Upload-Length": "1000000"}
        return
    if case.operation.label == "POST /keys" and isinstance(case.body, dict):
        case.body = {**case.body, **_accepted_fields(case.body)}
    if case.operation.label != "POST /upload/csv":
        return
    form = case.body if isinstance(case.body, dict) else {}
    cut = {"chunk_type", "chunk_size"} if {"chunk_type", "chunk_size"} & form.keys() else set()
    query = {name: value for name, value in (case.query or {}).items() if name not in form.keys() | cut}
    if query.get("chunk_type") == "count":
        query["chunk_size"] = 3
    case.query = query if "dataset_name" in form else {"dataset_name": "conformance", **query}
