"""A real MinIO with TLS and a certificate of the test."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from stack.components.minio import Minio
from stack.local import LocalStack
from stack.ports import free_ports
from tests.support.network.certificates import CertificateAuthority
from tests.support.services import settings_on_free_ports
from tests.support.waiting import wait_until

HOST = "127.0.0.1"
ACCESS_KEY, SECRET_KEY = "tester", "tester's secret"


@dataclass(frozen=True)
class TlsMinio:
    """Its address, and its directory with one subdirectory for each bucket."""

    endpoint: str


@contextmanager
def running_tls_minio(
    root: Path, authority: CertificateAuthority, *, address: str = HOST, expired: bool = False
) -> Iterator[TlsMinio]:
    """Start MinIO with the bucket ``raw`` and a certificate for ``address``; stop it in the end."""
    certificates, data = root / "certs", root / "data"
    certificates.mkdir(parents=True)
    (data / "raw").mkdir(parents=True)
    authority.write_server_pair(certificates, address=address, expired=expired, names=("public.crt", "private.key"))
    minio = Minio(LocalStack(root=root / "stack", settings=settings_on_free_ports()).context)
    minio.prepare(lambda _: None)
    (port, console) = free_ports(2)
    command = [minio.processes()[0].argv[0], "server", f"--certs-dir={certificates}"]
    addresses = [f"--address={HOST}:{port}", f"--console-address={HOST}:{console}", str(data)]
    credentials = {"MINIO_ROOT_USER": ACCESS_KEY, "MINIO_ROOT_PASSWORD": SECRET_KEY, "MINIO_UPDATE": "off"}
    process = subprocess.Popen(
        [*command, *addresses],
        env={"PATH": os.environ["PATH"], "HOME": str(root), **credentials},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    endpoint = f"https://{HOST}:{port}"
    try:
        wait_until(lambda: _serves(endpoint), what="MinIO serves", deadline_s=120)
        yield TlsMinio(endpoint)
    finally:
        process.kill()  # it would wait for its requests
        process.wait()
        shutil.rmtree(data)


def _serves(endpoint: str) -> bool:
    """Return whether it serves, whatever certificate it has."""
    try:
        return httpx.get(f"{endpoint}/minio/health/cluster", verify=False, trust_env=False).is_success
    except httpx.TransportError:
        return False
