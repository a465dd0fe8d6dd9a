"""The address of a chunk at the uploader, and the signature in it that lets whoever holds it fetch this chunk."""

from __future__ import annotations

import re

SIGNATURE_PATTERN = r"v1\.[0-9]{10,12}\.[A-Za-z0-9_-]{1,32}\.[A-Za-z0-9_-]{43}"
"""``v1.{expires}.{key id}.{mac}``: seconds since 1970, the name of the signing key, and HMAC-SHA256 in base64url."""
SIGNED_ADDRESS_PATTERN = rf"/chunks/[0-9a-f]{{32}}/[1-9][0-9]{{0,9}}/download/{SIGNATURE_PATTERN}$"
"""How every ``api_endpoint`` ends."""
_SIGNED = re.compile(rf"(?P<address>.*/chunks/[^/]*/[^/]*/download)/(?P<signature>{SIGNATURE_PATTERN})", re.DOTALL)


def download_path(upload_id: str, chunk_id: int) -> str:
    """Return the path of a chunk below the uploader's base URL, without a signature."""
    return f"/chunks/{upload_id}/{chunk_id}/download"


def split_signed(address: str) -> tuple[str, str] | None:
    """Return the URL or path without its signature, and the signature; None if it has none."""
    found = _SIGNED.fullmatch(address)
    return None if found is None else (found["address"], found["signature"])
