"""Certificates for a test: an authority, and certificates signed by it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

_VALID = timedelta(days=1)


class CertificateAuthority:
    """An authority that nobody knows but who is given its certificate."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        self._certificate = (
            _builder(self._name, self._name, self._key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self._key, hashes.SHA256())
        )

    def write_certificate(self, path: Path) -> str:
        """Write what a client trusts; return the path."""
        path.write_bytes(self._certificate.public_bytes(Encoding.PEM))
        return str(path)

    def write_server(self, path: Path, *, address: str, expired: bool = False) -> str:
        """Write the key and the certificate of a server at an IP address, as one PEM file; return the path."""
        certificate, key = self._issue_server(address, expired=expired)
        path.write_bytes(key + certificate)
        return str(path)

    def write_server_pair(
        self, directory: Path, *, address: str, expired: bool = False, names: tuple[str, str] = ("cert.pem", "key.pem")
    ) -> tuple[Path, Path]:
        """Write the certificate and the key of a server at an IP address, as two PEM files; return their paths."""
        paths = directory / names[0], directory / names[1]
        for path, content in zip(paths, self._issue_server(address, expired=expired), strict=True):
            path.write_bytes(content)
        return paths

    def _issue_server(self, address: str, *, expired: bool) -> tuple[bytes, bytes]:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            _builder(_name("server"), self._name, key, expired=expired)
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))]), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return certificate.public_bytes(Encoding.PEM), private


def private_key_pem() -> bytes:
    """Return a new private key."""
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, *, expired: bool = False
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _VALID)
        .not_valid_after(now - _VALID / 2 if expired else now + _VALID)
    )
