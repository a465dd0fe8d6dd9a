"""The certificates that the client trusts, and what an error of TLS means for its settings."""

from __future__ import annotations

import ssl

import httpx

from contracts.errors import SettingsError


def trusted(ca_file: str | None) -> ssl.SSLContext | bool:
    """Return what httpx takes as ``verify``: the certificates in ``ca_file``, or the public ones if it is None.

    Raises:
        SettingsError: the file cannot be read, or has no certificate.
    """
    if ca_file is None:
        return True
    try:
        return ssl.create_default_context(cafile=ca_file)
    except ssl.SSLError as error:
        raise SettingsError(f"CSVPIPE_CA_FILE: {ca_file} has no certificate in PEM form") from error
    except OSError as error:
        raise SettingsError(f"CSVPIPE_CA_FILE: {ca_file} cannot be read: {error.strerror}") from error


def certificate_fault(error: httpx.TransportError) -> str | None:
    """Return why the server's certificate was refused, or None if ``error`` has another cause."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return cause.verify_message
        cause = cause.__cause__ or cause.__context__
    return None
