"""TLS of the stack's own clients."""

from __future__ import annotations

import ssl
from pathlib import Path

from stack.certificates import CertificateFiles


def tls_context(ca_file: Path | None, client: CertificateFiles | None = None) -> ssl.SSLContext | bool:
    """Return what httpx takes as ``verify``.

    Args:
        ca_file: certificate to trust, and no other; None for a service without TLS.
        client: what to identify with, if the service requires a client certificate.
    """
    if ca_file is None:
        return True
    context = ssl.create_default_context(cafile=str(ca_file))
    if client is not None:
        context.load_cert_chain(client.certificate, client.key)
    return context
