"""What is wrong with the certificate of a service, in words that name the setting to change."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass

from contracts.errors import SettingsError

_EXPIRED = 10
_NOT_YET_VALID = 9
_OTHER_NAME = 62
_OTHER_NAMES = frozenset({_OTHER_NAME, 64})
"""``X509_V_ERR_…`` of OpenSSL; every other code means that the chain leads to no trusted authority."""


@dataclass(frozen=True, kw_only=True)
class TlsPeer:
    """A service that is reached by TLS, and the settings that say where it is and whom to trust."""

    address: str
    address_setting: str
    ca_setting: str

    def describe(self, error: BaseException) -> str | None:
        """Return what ``error`` says about the certificate, or None if it is about something else."""
        fault = next((each for each in _chain(error) if isinstance(each, ssl.SSLCertVerificationError)), None)
        if fault is not None:
            return self._describe_code(fault.verify_code, fault.verify_message or str(fault))
        mismatch = next((each for each in _chain(error) if type(each).__name__ == "CertificateError"), None)
        if mismatch is not None:  # urllib3's, which compares names itself for some callers
            return self._describe_code(_OTHER_NAME, str(mismatch))
        if any(isinstance(each, ssl.SSLError) and each.reason in _NO_TLS for each in _chain(error)):
            return f"{self.address_setting}: {self.address} does not speak TLS"
        return None

    def _describe_code(self, code: int, message: str) -> str:
        if code in {_EXPIRED, _NOT_YET_VALID}:
            when = "has expired" if code == _EXPIRED else "is not valid yet"
            return (
                f"{self.address_setting}: the certificate of {self.address} {when}; renew it there. "
                f"{self.ca_setting} cannot change that"
            )
        if code in _OTHER_NAMES:
            return (
                f"{self.address_setting}: the certificate of {self.address} is for another name ({message}); use a "
                "name of the certificate"
            )
        return (
            f"{self.ca_setting}: the certificate of {self.address} is not trusted ({message}); set it to the file of "
            "the authority that signed it"
        )


_NO_TLS = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"})


def trusting(ca_file: str | None, *, setting: str) -> ssl.SSLContext:
    """Return a client's context that trusts the authorities in ``ca_file``, or those of the system if it is empty.

    Raises:
        SettingsError: the file cannot be read, or has no certificate; the text names ``setting``.
    """
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except ssl.SSLError as error:
        raise SettingsError(f"{setting}: {ca_file} has no certificate in PEM form") from error
    except OSError as error:
        raise SettingsError(f"{setting}: {ca_file} cannot be read: {error.strerror}") from error


def shake_hands(host: str, port: int, context: ssl.SSLContext, *, timeout_s: float) -> None:
    """Connect once and complete a TLS handshake.

    Raises:
        OSError: it did not succeed; :meth:`TlsPeer.describe` tells why.
    """
    with (
        socket.create_connection((host, port), timeout=timeout_s) as plain,
        context.wrap_socket(plain, server_hostname=host),
    ):
        pass


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Give ``error`` and all that it was caused by, also where a library keeps the cause as an argument."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        each = waiting.pop()
        if not isinstance(each, BaseException) or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        waiting += [each.__cause__, each.__context__, getattr(each, "reason", None), *each.args]
