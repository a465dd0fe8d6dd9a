from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest

from aws.encryption import Encryption, EncryptionMode, encryption_of, former_encryptions
from contracts.errors import SettingsError

KEY = bytes(range(32))
KEY_TEXT = b64encode(KEY).decode()
OLD_KEY = bytes(reversed(KEY))
OLD_KEY_TEXT = b64encode(OLD_KEY).decode()


@pytest.mark.parametrize(
    ("mode", "settings", "writing", "reading"),
    [
        ("none", {}, {}, {}),
        ("sse-s3", {}, {"ServerSideEncryption": "AES256"}, {}),
        ("sse-kms", {"kms_key_id": "alias/raw"}, {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "alias/raw"}, {}),
        (
            "sse-c",
            {"customer_key": KEY_TEXT},
            {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": KEY},
            {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": KEY},
        ),
    ],
)
def test_requests_say_how_the_object_is_encrypted(
    mode: str, settings: dict[str, Any], writing: dict[str, Any], reading: dict[str, Any]
) -> None:
    encryption = Encryption.from_settings(mode, **settings)
    assert (encryption.write_arguments(), encryption.read_arguments()) == (writing, reading)


@pytest.mark.parametrize(
    ("mode", "settings", "named"),
    [
        ("aes", {}, "S3_ENCRYPTION"),
        ("sse-kms", {}, "S3_KMS_KEY_ID"),
        ("sse-c", {}, "S3_SSE_C_KEY"),
        ("sse-c", {"customer_key": "not base64 at all"}, "S3_SSE_C_KEY"),
        ("sse-c", {"customer_key": "schl\u00fcssel"}, "S3_SSE_C_KEY"),
        ("sse-c", {"customer_key": b64encode(KEY[:16]).decode()}, "S3_SSE_C_KEY"),
        ("sse-c", {"customer_key": KEY_TEXT, "endpoint": "http://minio:9000"}, "S3_ENDPOINT"),
        ("none", {"customer_key": KEY_TEXT}, "S3_SSE_C_KEY"),
        ("sse-s3", {"kms_key_id": "alias/raw"}, "S3_KMS_KEY_ID"),
    ],
)
def test_contradicting_settings_are_named(mode: str, settings: dict[str, Any], named: str) -> None:
    with pytest.raises(SettingsError, match=named) as caught:
        Encryption.from_settings(mode, **settings)
    assert settings.get("customer_key", KEY_TEXT) not in caught.value.detail


@pytest.mark.parametrize(
    ("mode", "old_keys", "readings"),
    [
        ("none", None, []),
        ("none", f"{KEY_TEXT}, {OLD_KEY_TEXT},", [KEY, OLD_KEY]),
        ("sse-kms", OLD_KEY_TEXT, [OLD_KEY]),
        ("sse-c", None, [None]),
        ("sse-c", OLD_KEY_TEXT, [OLD_KEY, None]),
    ],
)
def test_former_objects_are_read_with_old_keys_and_without_a_key(
    mode: str, old_keys: str | None, readings: list[bytes | None]
) -> None:
    keys: dict[str, Any] = {"sse-c": {"customer_key": KEY_TEXT}, "sse-kms": {"kms_key_id": "alias/raw"}}
    current = Encryption.from_settings(mode, **keys.get(mode, {}))
    former = former_encryptions(current, old_keys, endpoint="https://minio:9000")
    assert [each.read_arguments().get("SSECustomerKey") for each in former] == readings


@pytest.mark.parametrize(
    ("old_keys", "endpoint", "named"),
    [
        (f"{KEY_TEXT},c2hvcnQ=", "https://minio:9000", "S3_SSE_C_OLD_KEYS"),
        ("not base64 at all", "https://minio:9000", "S3_SSE_C_OLD_KEYS"),
        (KEY_TEXT, "http://minio:9000", "S3_ENDPOINT"),
    ],
)
def test_wrong_old_keys_are_named(old_keys: str, endpoint: str, named: str) -> None:
    with pytest.raises(SettingsError, match=named) as caught:
        former_encryptions(Encryption(), old_keys, endpoint=endpoint)
    assert old_keys not in caught.value.detail


def test_customer_key_is_not_in_the_repr() -> None:
    encryption = Encryption.from_settings("sse-c", customer_key=KEY_TEXT, endpoint="https://minio:9000")
    assert KEY_TEXT not in repr(encryption)
    assert repr(KEY) not in repr(encryption)


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ({}, "none"),
        ({"ServerSideEncryption": "AES256"}, "sse-s3"),
        ({"ServerSideEncryption": "aws:kms"}, "sse-kms"),
        ({"ServerSideEncryption": "aws:kms:dsse"}, "sse-kms"),
        ({"SSECustomerAlgorithm": "AES256"}, "sse-c"),
        ({"ServerSideEncryption": "aws:fsx"}, "aws:fsx"),
    ],
)
def test_encryption_of_an_object_is_found_in_the_answer(answer: dict[str, str], found: str) -> None:
    assert encryption_of(answer) == found


def test_object_encrypted_otherwise_is_a_fault_unless_the_store_decides() -> None:
    faults = {
        mode: Encryption(mode=mode).find_fault(EncryptionMode.SSE_S3) is not None
        for mode in (EncryptionMode.NONE, EncryptionMode.SSE_S3, EncryptionMode.SSE_KMS, EncryptionMode.SSE_C)
    }
    assert faults == {"none": False, "sse-s3": False, "sse-kms": True, "sse-c": True}
