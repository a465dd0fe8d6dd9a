"""Tokens with which the role of this machine signs in to Amazon MSK (``KAFKA_SECURITY=iam``)."""

from __future__ import annotations

import logging

from contracts.errors import NotAllowedError, SettingsError

_log = logging.getLogger(__name__)


def check_signer_installed() -> None:
    """Check that the package which signs tokens is installed.

    Raises:
        SettingsError: it is not.
    """
    from importlib.util import find_spec

    if find_spec("aws_msk_iam_sasl_signer") is None:
        raise SettingsError("KAFKA_SECURITY=iam needs a package that is not installed: pip install 'csvpipe[iam]'")


def sign_token(region: str) -> tuple[str, float]:
    """Return a token and its expiry (Unix time).

    Raises:
        NotAllowedError: no token can be created.
    """
    from aws_msk_iam_sasl_signer import MSKAuthTokenProvider

    try:
        text, expires_ms = MSKAuthTokenProvider.generate_auth_token(region)
    except Exception as error:
        # A Kafka client drops the reason and reports only that there was no token.
        _log.warning("Cannot create an MSK IAM token", extra={"error": str(error)})
        raise NotAllowedError(
            f"cannot create an MSK IAM token: {error}. Check AWS_REGION and this machine's role or credentials"
        ) from error
    return text, expires_ms / 1000
