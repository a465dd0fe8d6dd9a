"""How long the certificate of a service is still valid."""

from __future__ import annotations

import socket
import ssl
from datetime import UTC, datetime
from urllib.parse import urlsplit

from contracts.number_text import counted
from contracts.tls_faults import trusting
from csvpipe.doctor.finding import Finding, Findings, Verdict

NOTICE_DAYS = 14
_TIMEOUT_S = 5.0


def check_certificate(url: str, *, ca_file: str | None, ca_setting: str, default_port: int = 443) -> Findings:
    """Give the expiry of the certificate at ``url``; nothing if it is not ``https``.

    A connection that fails is not reported here: the request before has shown whether it is trusted.

    Raises:
        SettingsError: ``ca_file`` cannot be used.
    """
    parts = urlsplit(url)
    if parts.scheme != "https" or parts.hostname is None:
        return
    context = trusting(ca_file, setting=ca_setting)
    try:
        expires = _expiry(parts.hostname, parts.port or default_port, context)
    except OSError as error:
        yield Finding("certificate", Verdict.SKIPPED, f"its expiry cannot be read: {error}")
        return
    yield judge_expiry(expires, now=datetime.now(UTC))


def judge_expiry(expires: datetime, *, now: datetime) -> Finding:
    """Return whether a certificate that is valid until ``expires`` has to be renewed."""
    days = (expires - now).days
    text = f"valid until {expires:%Y-%m-%d %H:%M} UTC, for {counted(days, 'day')}"
    if days >= NOTICE_DAYS:
        return Finding("certificate", Verdict.OK, text)
    return Finding("certificate", Verdict.WARNING, text, "renew it at the service")


def _expiry(host: str, port: int, context: ssl.SSLContext) -> datetime:
    with (
        socket.create_connection((host, port), timeout=_TIMEOUT_S) as plain,
        context.wrap_socket(plain, server_hostname=host) as secured,
    ):
        certificate = secured.getpeercert() or {}
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(certificate["notAfter"])), UTC)
