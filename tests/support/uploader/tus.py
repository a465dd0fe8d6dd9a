"""A minimal client of the tus protocol, for requests that no real client sends."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import httpx

NO_HEADERS: Mapping[str, str] = MappingProxyType({})
TUS = {"Tus-Resumable": "1.0.0"}
OCTETS = {"Content-Type": "application/offset+octet-stream"}
ROWS = b"id,name\r\n" + b"".join(b"%d,name of %d\r\n" % (row, row) for row in range(1, 1_000))
"""A small file."""


def metadata(**fields: str) -> str:
    """Return the value of ``Upload-Metadata``."""
    return ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in fields.items())


def create(client: httpx.Client, length: int | None, *, headers: Mapping[str, str] = NO_HEADERS, **fields: str) -> str:
    """Create an upload and return its path."""
    answer = try_create(client, length, headers=headers, **fields)
    assert answer.status_code == 201, answer.text
    return answer.headers["Location"]


def try_create(
    client: httpx.Client, length: int | None, *, headers: Mapping[str, str] = NO_HEADERS, **fields: str
) -> httpx.Response:
    size = {"Upload-Defer-Length": "1"} if length is None else {"Upload-Length": str(length)}
    told = metadata(**{"dataset_name": "people", "filename": "people.csv", **fields})
    return client.post("/files", headers={**TUS, **size, "Upload-Metadata": told, **headers})


def patch(client: httpx.Client, path: str, content: Any, *, offset: int, **headers: str) -> httpx.Response:
    """Send ``content`` at ``offset``; underscores in names of headers are hyphens."""
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.patch(path, content=content, headers={**TUS, **OCTETS, "Upload-Offset": str(offset), **more})


def head(client: httpx.Client, path: str) -> httpx.Response:
    return client.head(path, headers=TUS)


def offset_of(client: httpx.Client, path: str) -> int:
    answer = head(client, path)
    assert answer.status_code == 200
    return int(answer.headers["Upload-Offset"])


def content_of(client: httpx.Client, upload_id: str) -> bytes:
    """Return the file, put together from the chunks."""
    manifest = client.get(f"/uploads/{upload_id}/manifest").json()
    chunks = [client.get(f"/chunks/{upload_id}/{each['chunk_id']}/download").content for each in manifest["chunks"]]
    header = chunks[0][: manifest["header_bytes"]]
    return header + b"".join(chunk[len(header) :] for chunk in chunks)
