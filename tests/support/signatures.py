"""Signatures of addresses for tests that fetch nothing from a real uploader, and a signer for those that do."""

from __future__ import annotations

from datetime import timedelta

from uploader.access.signed_address import AddressSigner
from uploader.domain.signing_key import SigningKey
from uploader.runtime.clock import Clock, utc_now

FAKE_SIGNATURE = f"v1.4102444800.fake.{'A' * 43}"
"""Has the form of a signature, and no uploader has made it."""
SIGNING_KEY = SigningKey(key_id="test", secret="s" * 32)


def fake_sign(upload_id: str, chunk_id: int) -> str:
    """Return :data:`FAKE_SIGNATURE`."""
    return FAKE_SIGNATURE


def signer(*keys: SigningKey, clock: Clock = utc_now, valid_for: timedelta = timedelta(hours=1)) -> AddressSigner:
    """Return a signer with ``keys``, or with a key of its own."""
    return AddressSigner(keys or (SIGNING_KEY,), valid_for=valid_for, clock=clock)
