"""The certificates of a secure stack: its own authority, and one certificate for each server and client."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import cast

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from pydantic import SecretStr

from stack.private_file import write_private

_SERVER, _CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH
_USAGES = {
    "uploader": (_SERVER,),
    "kafka": (_SERVER, _CLIENT),  # the broker authenticates to its controller
    "minio": (_SERVER,),
    "nifi": (_SERVER,),
    "airflow": (_SERVER, _CLIENT),  # its API, and a client of NiFi
    "admin": (_CLIENT,),
    "monitoring": (_CLIENT,),
}
"""What each certificate is for. A certificate for clients cannot pass as a server, nor the other way round."""
_AUTHORITY_DAYS = 3650
_VALID_DAYS = 365
_RENEW_BEFORE = timedelta(days=30)
_CLOCK_SKEW = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class CertificateFiles:
    """A certificate and its private key, both as PEM."""

    certificate: Path
    key: Path


class Certificates:
    """The authority and the certificates in ``directory``. Their private keys are readable only by the owner."""

    def __init__(
        self, directory: Path, *, host: str, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._directory = directory
        self._host = host
        self._clock = clock

    @property
    def ca_file(self) -> Path:
        """Return the path of the authority's certificate, which clients trust."""
        return self._directory / "ca.pem"

    def files(self, name: str) -> CertificateFiles:
        """Return the paths of the certificate ``name``, such as ``kafka``; see :meth:`renew`."""
        return CertificateFiles(certificate=self._directory / f"{name}.pem", key=self._directory / f"{name}.key")

    def renew(self) -> list[str]:
        """Issue what is missing, is not valid for ``localhost`` and the host, or expires within 30 days.

        Returns:
            The names of the new certificates. If ``ca`` is new, all are.
        """
        renewed = []
        ca = self.files("ca")
        if not self._is_current(ca.certificate):
            self._issue("ca", None)
            renewed.append("ca")
        authority = _read(ca.certificate)
        for name in _USAGES:
            if not self._is_current(self.files(name).certificate, authority):
                self._issue(name, authority)
                renewed.append(name)
        return renewed

    def pem_keystore(self, name: str) -> bytes:
        """Return private key and certificate in one PEM text, as Kafka reads them."""
        files = self.files(name)
        return files.key.read_bytes() + files.certificate.read_bytes()

    def pkcs12_keystore(self, name: str, password: SecretStr) -> bytes:
        """Return private key, certificate and authority as PKCS #12, as NiFi and browsers read them."""
        files = self.files(name)
        return pkcs12.serialize_key_and_certificates(
            name.encode(), _read_key(files.key), _read(files.certificate), [_read(self.ca_file)], _encryption(password)
        )

    def pkcs12_truststore(self, password: SecretStr) -> bytes:
        """Return the authority as PKCS #12 that Java trusts."""
        entry = pkcs12.PKCS12Certificate(_read(self.ca_file), b"csvpipe")
        return pkcs12.serialize_java_truststore([entry], _encryption(password))

    def _is_current(self, path: Path, authority: x509.Certificate | None = None) -> bool:
        if not path.exists():
            return False
        certificate = _read(path)
        if certificate.not_valid_after_utc - self._clock() < _RENEW_BEFORE:
            return False
        return authority is None or (_is_issued_by(certificate, authority) and self._has_names(certificate))

    def _has_names(self, certificate: x509.Certificate) -> bool:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return list(names) == self._names()

    def _names(self) -> list[x509.GeneralName]:
        found: list[x509.GeneralName] = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
        try:
            own: x509.GeneralName = x509.IPAddress(ip_address(self._host))
        except ValueError:
            own = x509.DNSName(self._host)
        return found if own in found else [*found, own]

    def _issue(self, name: str, authority: x509.Certificate | None) -> None:
        """Create a key and a certificate, signed by ``authority``, or by itself if that is None."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name("csvpipe local stack" if authority is None else name)
        days = _AUTHORITY_DAYS if authority is None else _VALID_DAYS
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(authority.subject if authority else subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._clock() - _CLOCK_SKEW)
            .not_valid_after(self._clock() + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=authority is None, path_length=None), critical=True)
            .add_extension(_key_usage(is_authority=authority is None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        )
        if authority is None:
            certificate = builder.sign(key, hashes.SHA256())
        else:
            ca_key = _read_key(self.files("ca").key)
            issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
            certificate = (
                builder.add_extension(x509.SubjectAlternativeName(self._names()), critical=False)
                .add_extension(x509.ExtendedKeyUsage(_USAGES[name]), critical=False)
                .add_extension(issuer, critical=False)
                .sign(ca_key, hashes.SHA256())
            )
        files = self.files(name)
        write_private(files.key, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        write_private(files.certificate, certificate.public_bytes(Encoding.PEM))


def _is_issued_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, InvalidSignature):
        return False
    return True


def _key_usage(*, is_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        encipher_only=False,
        decipher_only=False,
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _read(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def _read_key(path: Path) -> ec.EllipticCurvePrivateKey:
    return cast("ec.EllipticCurvePrivateKey", load_pem_private_key(path.read_bytes(), password=None))


def _encryption(password: SecretStr) -> BestAvailableEncryption:
    return BestAvailableEncryption(password.get_secret_value().encode())
