"""What an upload has become, in a form that two uploads of the same file share."""

from __future__ import annotations

from typing import Any

import httpx

_OF_ONE_UPLOAD = {"upload_id", "created_at", "chunks", "idempotency_key"}
_CHUNK = ("chunk_id", "size_bytes", "sha256", "row_start", "row_end", "byte_start", "byte_end")


def description_of(url: str, upload_id: str) -> dict[str, Any]:
    """Return the manifest of an upload, without what differs between two uploads of the same file."""
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
        answer = client.get(f"/uploads/{upload_id}/manifest")
        assert answer.status_code == 200, answer.text
        return describe(answer.json())


def describe(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return ``manifest`` without what differs between two uploads of the same file."""
    kept = {name: value for name, value in manifest.items() if name not in _OF_ONE_UPLOAD}
    return kept | {"chunks": [{name: chunk[name] for name in _CHUNK} for chunk in manifest["chunks"]]}
