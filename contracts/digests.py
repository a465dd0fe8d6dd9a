"""SHA-256 as HTTP has it: the fields ``Repr-Digest`` and ``Content-Digest`` (RFC 9530)."""

from __future__ import annotations

import base64

REPR_DIGEST = "Repr-Digest"
"""Digest of the whole file, also in the response to a range of it."""
CONTENT_DIGEST = "Content-Digest"
"""Digest of the content of this message."""
SHA_256 = "sha-256"


def digest_field(sha256: str) -> str:
    """Return the value of a digest field for a SHA-256 in hexadecimal."""
    return f"{SHA_256}=:{base64.b64encode(bytes.fromhex(sha256)).decode()}:"
