"""Signed addresses of chunks: whoever holds one can fetch that chunk until it expires, and nothing else.

A signature is the last part of the path: ``v1.{expires}.{key id}.{mac}``. The MAC is HMAC-SHA256 over version, upload,
chunk, expiry and key. It is in the path, because DAG and flow refuse addresses with a query.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from uploader.access.errors import AddressExpiredError, InvalidSignatureError
from uploader.domain.signing_key import SigningKey
from uploader.runtime.clock import Clock

_VERSION = "v1"


class AddressSigner:
    """Makes and checks signatures. The first key signs, all verify, so that keys can be rotated."""

    def __init__(self, keys: Sequence[SigningKey], *, valid_for: timedelta, clock: Clock) -> None:
        self._signing = keys[0]
        self._keys = {key.key_id: key for key in keys}
        self._valid_for = valid_for
        self._clock = clock

    def sign(self, upload_id: str, chunk_id: int, *, valid_for: timedelta | None = None) -> str:
        """Return the signature for the address of a chunk, valid from now on for the usual time or ``valid_for``."""
        expires = int(self._clock().timestamp()) + int((valid_for or self._valid_for).total_seconds())
        return f"{_VERSION}.{expires}.{self._signing.key_id}.{_mac(self._signing, upload_id, chunk_id, str(expires))}"

    def check(self, upload_id: str, chunk_id: int, signature: str) -> None:
        """Check a signature. Nothing is looked up, so the answer does not tell whether the upload exists.

        Raises:
            InvalidSignatureError: none of the keys has made it for this chunk.
            AddressExpiredError: it was valid.
        """
        version, _, rest = signature.partition(".")
        expires, _, rest = rest.partition(".")
        key_id, _, mac = rest.partition(".")
        key = self._keys.get(key_id)
        if (
            version != _VERSION
            or key is None
            or not hmac.compare_digest(mac.encode(), _mac(key, upload_id, chunk_id, expires).encode())
        ):
            raise InvalidSignatureError(
                "the address was not signed for this chunk with a key of this uploader; use api_endpoint of the "
                "chunk's newest message"
            )
        if int(expires) <= self._clock().timestamp():
            at = datetime.fromtimestamp(int(expires), UTC).isoformat()
            raise AddressExpiredError(
                f"the address expired at {at}; POST /uploads/{upload_id}/announce sends messages with new ones"
            )


def _mac(key: SigningKey, upload_id: str, chunk_id: int, expires: str) -> str:
    signed = "\n".join((_VERSION, upload_id, str(chunk_id), expires, key.key_id))
    digest = hmac.digest(key.secret.encode(), signed.encode(), "sha256")
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
