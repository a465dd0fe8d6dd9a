"""Encryption of the objects in a stack: the settings that its services share."""

from __future__ import annotations

from aws.encryption import EncryptionMode
from contracts.errors import SettingsError
from stack.component import StackContext

KMS_KEY_NAME = "csvpipe-local"
"""Name of the key in ``MINIO_KMS_SECRET_KEY``: what ``S3_KMS_KEY_ID`` is on this stack."""


def check_encryption(context: StackContext) -> None:
    """Check that the stack has what the encryption needs.

    Raises:
        SettingsError: It needs TLS, and the stack is not secure.
    """
    mode = context.settings.s3_encryption
    if mode in {EncryptionMode.SSE_KMS, EncryptionMode.SSE_C} and not context.secure:
        raise SettingsError(f"STACK_S3_ENCRYPTION={mode} needs a secure stack: csvpipe stack up --secure")


def encryption_variables(context: StackContext) -> dict[str, str]:
    """Return ``S3_ENCRYPTION`` and the variable of the key that it needs, as ``csvpipe`` reads them."""
    mode = context.settings.s3_encryption
    keys = {
        EncryptionMode.SSE_KMS: {"S3_KMS_KEY_ID": KMS_KEY_NAME},
        EncryptionMode.SSE_C: {"S3_SSE_C_KEY": context.secrets.s3_customer_key.get_secret_value()},
    }
    return {"S3_ENCRYPTION": mode.value, **keys.get(mode, {})}


def connection_extra(context: StackContext) -> dict[str, str]:
    """Return the same as the extra of the Airflow connection ``s3_raw``."""
    return {name.removeprefix("S3_").lower(): value for name, value in encryption_variables(context).items()}
