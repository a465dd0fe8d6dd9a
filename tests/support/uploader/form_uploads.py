"""Requests of ``POST /upload/csv``, and what becomes of them."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator
from typing import Any

import httpx

from tests.support.uploader.server import RunningUploader
from tests.support.waiting import wait_until

ROWS = b"id,name\n" + b"".join(b"%d,name of %d\n" % (row, row) for row in range(1, 1001))


def utf16(text: str) -> bytes:
    """Return ``text`` in little-endian UTF-16 with a byte order mark."""
    return codecs.BOM_UTF16_LE + text.encode("utf-16-le")


def post(uploader: RunningUploader, source: bytes = ROWS, **given: Any) -> httpx.Response:
    request: dict[str, Any] = {"files": {"file": ("source.csv", source)}, "data": {"dataset_name": "people"}, **given}
    return httpx.post(f"{uploader.base_url}/upload/csv", timeout=60, **request)


def post_body(uploader: RunningUploader, body: bytes | Iterator[bytes], **given: Any) -> httpx.Response:
    headers = {"content-type": "multipart/form-data; boundary=b", **given.pop("headers", {})}
    return httpx.post(f"{uploader.base_url}/upload/csv", content=body, headers=headers, timeout=60, **given)


def chunks_of(uploader: RunningUploader, upload_id: str) -> list[bytes]:
    base = f"{uploader.base_url}/chunks/{upload_id}"
    total = len(httpx.get(f"{uploader.base_url}/uploads/{upload_id}/manifest").json()["chunks"])
    return [httpx.get(f"{base}/{number}/download").content for number in range(1, total + 1)]


def head_of(query: str, *, content_length: int) -> bytes:
    return (
        f"POST /upload/csv?{query} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {content_length}\r\n"
        "Content-Type: multipart/form-data; boundary=b\r\n\r\n"
    ).encode()


def receiving(uploader: RunningUploader) -> None:
    """Wait until something has come in."""
    condition: Callable[[], bool] = lambda: any(".receiving/" in path for path in uploader.files())  # noqa: E731  typed
    wait_until(condition, what="an upload comes in", deadline_s=60, poll_s=0.02)
