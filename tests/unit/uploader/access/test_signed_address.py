"""Signatures of addresses: what they allow, until when, and the rotation of keys."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest

from contracts.download_address import SIGNATURE_PATTERN
from contracts.hidden_secrets import hide_secrets
from tests.support.signatures import SIGNING_KEY, signer
from tests.support.uploader.uploads import SettableClock
from uploader.access.errors import AddressExpiredError, InvalidSignatureError
from uploader.domain.signing_key import SigningKey, parse_signing_keys

UPLOAD, OTHER = "a" * 32, "b" * 32
NEW_KEY = SigningKey(key_id="new", secret="n" * 32)


def test_signature_is_valid_for_its_chunk_until_it_expires() -> None:
    clock = SettableClock()
    addresses = signer(clock=clock, valid_for=timedelta(hours=2))
    signature = addresses.sign(UPLOAD, 7)
    assert re.fullmatch(SIGNATURE_PATTERN, signature)

    clock.advance(seconds=2 * 3600 - 1)
    addresses.check(UPLOAD, 7, signature)

    clock.advance(seconds=1)
    with pytest.raises(AddressExpiredError, match="2026-01-31T14:00:00"):
        addresses.check(UPLOAD, 7, signature)
    addresses.check(UPLOAD, 7, addresses.sign(UPLOAD, 7))


def _with_part(number: int, change: Callable[[str], str]) -> Callable[[str], str]:
    def changed(signature: str) -> str:
        parts = signature.split(".")
        parts[number] = change(parts[number])
        return ".".join(parts)

    return changed


@pytest.mark.parametrize(
    "forge",
    [
        _with_part(0, lambda _: "v2"),
        _with_part(1, lambda expires: str(int(expires) + 1)),
        _with_part(1, lambda expires: f"0{expires}"),
        _with_part(2, lambda _: "unknown"),
        _with_part(2, lambda _: "new"),
        _with_part(3, lambda mac: mac[:-1] + ("A" if mac[-1] != "A" else "B")),
        _with_part(3, lambda _: ""),
        lambda _: "",
        lambda signature: f"{signature}.",
    ],
)
def test_changed_signature_is_refused(forge: Callable[[str], str]) -> None:
    addresses = signer(SIGNING_KEY, NEW_KEY)
    with pytest.raises(InvalidSignatureError):
        addresses.check(UPLOAD, 7, forge(addresses.sign(UPLOAD, 7)))


@pytest.mark.parametrize(("upload_id", "chunk_id"), [(OTHER, 7), (UPLOAD, 8), (f"{UPLOAD}\n7", 7)])
def test_signature_of_another_chunk_is_refused(upload_id: str, chunk_id: int) -> None:
    with pytest.raises(InvalidSignatureError):
        signer().check(upload_id, chunk_id, signer().sign(UPLOAD, 7))


def test_forged_expired_signature_is_not_said_to_be_expired() -> None:
    signature = _with_part(1, lambda _: "1000000000")(signer().sign(UPLOAD, 7))
    with pytest.raises(InvalidSignatureError):
        signer().check(UPLOAD, 7, signature)


def test_first_key_signs_and_all_verify_while_keys_are_rotated() -> None:
    before = signer(SIGNING_KEY).sign(UPLOAD, 7)
    rotating = signer(NEW_KEY, SIGNING_KEY)
    after = rotating.sign(UPLOAD, 7)

    rotating.check(UPLOAD, 7, before)
    assert after.split(".")[2] == "new"
    signer(NEW_KEY).check(UPLOAD, 7, after)
    with pytest.raises(InvalidSignatureError):
        signer(NEW_KEY).check(UPLOAD, 7, before)


def test_keys_are_parsed_in_order_and_not_shown() -> None:
    keys = parse_signing_keys(f"b:{'x' * 32}, a:{'y' * 32}:z")
    assert [(key.key_id, key.secret) for key in keys] == [("b", "x" * 32), ("a", f"{'y' * 32}:z")]
    assert "x" * 32 not in repr(keys)


@pytest.mark.parametrize("text", ["", "a:tooshort", "x" * 50, f"a b:{'s' * 32}", f"a:{'s' * 32},a:{'s' * 33}"])
def test_invalid_keys_are_refused_without_showing_them(text: str) -> None:
    with pytest.raises(ValueError, match="key") as caught:
        parse_signing_keys(text)
    assert not [secret for secret in ("tooshort", "s" * 32, "x" * 32) if secret in str(caught.value)]


def test_hidden_signature_cannot_be_used() -> None:
    signature = signer().sign(UPLOAD, 7)
    hidden = hide_secrets(f"GET /chunks/{UPLOAD}/7/download/{signature}?x=1")
    assert hidden == f"GET /chunks/{UPLOAD}/7/download/{signature.rpartition('.')[0]}.***?x=1"
