"""Encryption at rest: what requests say about it in each mode, and whether an object is encrypted that way."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

from contracts.errors import SettingsError

CUSTOMER_KEY_BYTES = 32
"""Size of an AES-256 key, the only kind that SSE-C knows."""


class EncryptionMode(StrEnum):
    """Who encrypts the objects, and with which key. The values are those of ``S3_ENCRYPTION``."""

    NONE = "none"
    SSE_S3 = "sse-s3"
    SSE_KMS = "sse-kms"
    SSE_C = "sse-c"


@dataclass(frozen=True, kw_only=True)
class SettingNames:
    """Names of the settings in error texts."""

    mode: str = "S3_ENCRYPTION"
    kms_key_id: str = "S3_KMS_KEY_ID"
    customer_key: str = "S3_SSE_C_KEY"
    old_customer_keys: str = "S3_SSE_C_OLD_KEYS"
    endpoint: str = "S3_ENDPOINT"


ENVIRONMENT_NAMES = SettingNames()


@dataclass(frozen=True, kw_only=True)
class Encryption:
    """Encryption of the objects that are written and read.

    Attributes:
        mode: the mode. With ``NONE``, the store decides: a bucket can have an encryption of its own.
        kms_key_id: id, ARN or alias of the key in the KMS, for ``SSE_KMS``.
        customer_key: the key for ``SSE_C``, 32 bytes.
        names: names of the settings that these values are from.
    """

    mode: EncryptionMode = EncryptionMode.NONE
    kms_key_id: str | None = None
    customer_key: bytes | None = field(default=None, repr=False)
    names: SettingNames = field(default=ENVIRONMENT_NAMES, repr=False)

    @classmethod
    def from_settings(
        cls,
        mode: str,
        *,
        kms_key_id: str | None = None,
        customer_key: str | None = None,
        endpoint: str | None = None,
        names: SettingNames = ENVIRONMENT_NAMES,
    ) -> Self:
        """Check the values of settings against each other. The key for SSE-C is given in base64.

        Raises:
            SettingsError: the mode is unknown, a key is missing, malformed or for another mode, or ``endpoint`` is not
                HTTPS, which SSE-C needs. The text names the setting, and does not contain the key.
        """
        chosen = parse_mode(mode, names)
        _require_key(kms_key_id, names.kms_key_id, EncryptionMode.SSE_KMS, chosen, names)
        _require_key(customer_key, names.customer_key, EncryptionMode.SSE_C, chosen, names)
        check_endpoint(chosen, endpoint, names)
        key = _decode_key(customer_key, names.customer_key) if customer_key else None
        return cls(mode=chosen, kms_key_id=kms_key_id or None, customer_key=key, names=names)

    def write_arguments(self) -> dict[str, Any]:
        """Return the arguments of boto3's ``put_object`` and ``create_multipart_upload``."""
        match self.mode:
            case EncryptionMode.NONE:
                return {}
            case EncryptionMode.SSE_S3:
                return {"ServerSideEncryption": "AES256"}
            case EncryptionMode.SSE_KMS:
                return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": self.kms_key_id}
            case EncryptionMode.SSE_C:
                return self.read_arguments()

    def read_arguments(self) -> dict[str, Any]:
        """Return the arguments of boto3's ``head_object`` and ``get_object``. Only SSE-C needs any."""
        if self.mode is not EncryptionMode.SSE_C:
            return {}
        return {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": self.customer_key}

    def find_fault(self, found: str) -> str | None:
        """Return how an object with the encryption ``found`` (:func:`encryption_of`) contradicts the mode."""
        if self.mode is EncryptionMode.NONE or found == self.mode:
            return None
        return f"the object's encryption is {found}, expected {self.mode} ({self.names.mode})"

    def explain_refusal(self, status: int) -> str | None:
        """Return what a refusal with the HTTP ``status`` to HEAD or GET can mean for the settings.

        The store answers HEAD without a reason. Observed on MinIO, as documented for Amazon S3: 400 if the object needs
        a key and none was sent, or the other way round; 403 if the key is wrong, and also if the permission is missing.
        """
        names = self.names
        if self.mode is EncryptionMode.SSE_C and status == 400:
            return f"the object may not be encrypted with a customer key, as {names.mode}={self.mode} says"
        if self.mode is EncryptionMode.SSE_C and status == 403:
            return f"{names.customer_key} may not be the key that the object is encrypted with"
        if status == 400:
            return (
                f"the object may be encrypted with a customer key: set {names.mode}={EncryptionMode.SSE_C} and "
                f"{names.customer_key}"
            )
        return None


UNENCRYPTED = Encryption()
"""For objects that are written as the bucket has it, and read without a customer key."""


def former_encryptions(
    current: Encryption, old_keys: str | None, *, endpoint: str | None = None
) -> tuple[Encryption, ...]:
    """Return what else objects can be read with that were stored before the mode or the key was changed.

    Args:
        current: what new objects are encrypted with.
        old_keys: former keys for SSE-C in base64, separated by commas.
        endpoint: address of the store; None for Amazon S3.

    Raises:
        SettingsError: a key is malformed, or ``endpoint`` is not HTTPS. The text does not contain the key.
    """
    names = current.names
    texts = [text.strip() for text in (old_keys or "").split(",") if text.strip()]
    if texts:
        check_endpoint(EncryptionMode.SSE_C, endpoint, names)
    keys = [_decode_key(text, names.old_customer_keys) for text in texts]
    former = [Encryption(mode=EncryptionMode.SSE_C, customer_key=key, names=names) for key in keys]
    if current.mode is EncryptionMode.SSE_C:  # what was stored before it was switched on is read without a key
        former.append(Encryption(names=names))
    return tuple(former)


def parse_mode(text: str, names: SettingNames = ENVIRONMENT_NAMES) -> EncryptionMode:
    """Return the mode named ``text``.

    Raises:
        SettingsError: there is none.
    """
    if text not in {*EncryptionMode}:
        raise SettingsError(f"{names.mode} must be one of {', '.join(EncryptionMode)}, got {text!r}")
    return EncryptionMode(text)


def check_endpoint(mode: EncryptionMode, endpoint: str | None, names: SettingNames = ENVIRONMENT_NAMES) -> None:
    """Check that the customer key is not sent without TLS. Without ``endpoint``, the store is Amazon S3.

    Raises:
        SettingsError: it would be.
    """
    if mode is EncryptionMode.SSE_C and endpoint and not endpoint.startswith("https://"):
        raise SettingsError(
            f"{names.mode}={mode} needs an https:// address in {names.endpoint}, as every request contains the key; "
            f"got {endpoint!r}"
        )


def encryption_of(answer: Mapping[str, Any]) -> str:
    """Return how an object is encrypted, from the answer to HEAD, GET or PUT: a mode, or the store's own word."""
    if answer.get("SSECustomerAlgorithm"):
        return EncryptionMode.SSE_C.value
    algorithm = str(answer.get("ServerSideEncryption") or "")
    if algorithm.startswith("aws:kms"):  # also aws:kms:dsse, which encrypts twice
        return EncryptionMode.SSE_KMS.value
    return {"": EncryptionMode.NONE.value, "AES256": EncryptionMode.SSE_S3.value}.get(algorithm, algorithm)


def _require_key(
    key: str | None, setting: str, mode: EncryptionMode, chosen: EncryptionMode, names: SettingNames
) -> None:
    """Check that a key is given in its own mode, and in no other."""
    if chosen is mode and not key:
        raise SettingsError(f"{names.mode}={mode} needs {setting}, which is not set")
    if chosen is not mode and key:
        raise SettingsError(
            f"{setting} is set, but {names.mode} is {chosen}: set {names.mode}={mode}, or unset {setting}"
        )


def _decode_key(text: str, setting: str) -> bytes:
    try:
        key = b64decode(text, validate=True)
    except ValueError:  # the cause would have the key
        raise SettingsError(f"{setting} is not base64; make a key with: openssl rand -base64 32") from None
    if len(key) != CUSTOMER_KEY_BYTES:
        raise SettingsError(
            f"{setting} has {len(key)} bytes, expected {CUSTOMER_KEY_BYTES}; make a key with: openssl rand -base64 32"
        )
    return key
