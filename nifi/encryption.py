"""Encryption of the objects that the flow writes: its two parameters, and the settings that they follow from."""

from __future__ import annotations

from collections.abc import Mapping

from aws.encryption import Encryption, EncryptionMode, SettingNames, check_endpoint, parse_mode
from contracts.errors import SettingsError
from contracts.secret_files import read_variable

STRATEGY = "s3.encryption.strategy"
"""Parameter with the strategy of NiFi's StandardS3EncryptionService."""
KEY = "s3.encryption.key"
"""Sensitive parameter with the key's id (SSE_KMS) or the key itself (SSE_C). Without a value for other strategies."""
NAMES = SettingNames(mode=f"S3_ENCRYPTION (parameter {STRATEGY})", endpoint="parameter s3.endpoint")
KEY_VARIABLES: Mapping[EncryptionMode, str] = {
    EncryptionMode.SSE_KMS: NAMES.kms_key_id,
    EncryptionMode.SSE_C: NAMES.customer_key,
}
"""The environment variable of the key in each mode that needs one."""


def strategy_of(mode: EncryptionMode) -> str:
    """Return NiFi's name of a mode, such as ``SSE_S3``."""
    return mode.upper().replace("-", "_")


def mode_of(strategy: str) -> EncryptionMode:
    """Return the mode of a strategy of NiFi.

    Raises:
        SettingsError: There is none. Client-side encryption is not supported.
    """
    return parse_mode(strategy.lower().replace("_", "-"), NAMES)


def encryption_parameters(environ: Mapping[str, str], *, strategy: str | None = None) -> dict[str, str]:
    """Return the parameters that ``S3_ENCRYPTION`` and the variables of the keys lead to.

    Without ``S3_ENCRYPTION`` and ``strategy`` there are none: NiFi keeps the encryption that it has, as a repeated
    deployment must not switch it off.

    Args:
        environ: Environment variables.
        strategy: Strategy in the environment's file, for which ``S3_ENCRYPTION`` is an alternative.

    Raises:
        SettingsError: The mode is unknown, or a key is malformed or for another mode.
    """
    given = environ.get("S3_ENCRYPTION")
    mode = parse_mode(given, NAMES) if given else mode_of(strategy or "NONE")
    keys = {each: read_variable(environ, variable) for each, variable in KEY_VARIABLES.items()}
    if any(keys.values()):
        Encryption.from_settings(
            mode, kms_key_id=keys[EncryptionMode.SSE_KMS], customer_key=keys[EncryptionMode.SSE_C], names=NAMES
        )
    if not given and strategy is None:
        return {}
    key = keys.get(mode)
    return {STRATEGY: strategy_of(mode), **({KEY: key} if key else {})}


def check_encryption(*, strategy: str, endpoint: str | None, key: str | None = None) -> None:
    """Check the final values of the parameters. ``key`` is None if it is unknown or not used.

    Raises:
        SettingsError: The strategy is unknown, the key is malformed or not used, or a strategy with a key has no HTTPS.
    """
    mode = mode_of(strategy)
    check_endpoint(mode, endpoint, NAMES)
    if mode is EncryptionMode.SSE_KMS and endpoint and not endpoint.startswith("https://"):
        raise SettingsError(
            f"{NAMES.mode}={mode} needs an https:// address in {NAMES.endpoint}: NiFi's S3 client names a KMS key only "
            f"over TLS; got {endpoint!r}"
        )
    if key is not None:
        is_id = mode is EncryptionMode.SSE_KMS
        Encryption.from_settings(
            mode, kms_key_id=key if is_id else None, customer_key=None if is_id else key, names=NAMES
        )


def unused_parameters(strategy: str | None) -> frozenset[str]:
    """Return the parameters that may lack a value."""
    needs_key = strategy in {strategy_of(mode) for mode in KEY_VARIABLES}
    return frozenset() if needs_key else frozenset({KEY})
