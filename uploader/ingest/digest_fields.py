"""The SHA-256 that a client declares in ``Repr-Digest`` and ``Content-Digest`` (RFC 9530), and its comparison."""

from __future__ import annotations

import hashlib

import http_sf

from contracts.digests import SHA_256
from uploader.errors import DigestMismatchError, InvalidDigestError


def read_sha256(name: str, value: str | None) -> str | None:
    """Return the SHA-256 in the digest field ``name`` in hexadecimal, or None if it has none.

    Other algorithms are ignored, as RFC 9530 (section 2) allows.

    Raises:
        InvalidDigestError: the field is malformed.
    """
    if value is None:
        return None
    try:
        found = http_sf.parse(value.encode("ascii"), tltype="dictionary")
    except ValueError as error:  # also http_sf's own, and text that is not ASCII
        raise _invalid(name) from error
    if not isinstance(found, dict) or SHA_256 not in found:
        return None
    item = found[SHA_256]
    digest = item[0] if isinstance(item, tuple) else item
    if not isinstance(digest, bytes) or len(digest) != hashlib.sha256().digest_size:
        raise _invalid(name)
    return digest.hex()


def check_sha256(name: str, declared: str | None, found: str) -> None:
    """Compare what was received with the declared SHA-256, if there is one.

    Raises:
        DigestMismatchError: they differ.
    """
    if declared is not None and found != declared:
        raise DigestMismatchError(
            f"{name} is that of the SHA-256 {declared}, but what was received has {found}; nothing was kept: send it "
            "again",
            expected=declared,
            found=found,
        )


def _invalid(name: str) -> InvalidDigestError:
    return InvalidDigestError(
        f"{name} must be a dictionary of digests such as sha-256=:<base64 of 32 bytes>: (RFC 9530)", field=name
    )
