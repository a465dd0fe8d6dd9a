"""MinIO component: one server with one directory, built from source at a pinned version."""

from __future__ import annotations

import os
from pathlib import Path

from contracts.names import BUCKET_RAW
from stack.component import ProcessSpec, Report, StackContext
from stack.dist import build_once
from stack.encryption import KMS_KEY_NAME
from stack.golang import go_install
from stack.private_file import write_private
from stack.probes import http_ok
from stack.versions import version

_MODULE = "github.com/minio/minio"


class Minio:
    """An S3 server with the bucket ``raw``."""

    name = "minio"
    needs: tuple[str, ...] = ()

    def __init__(self, context: StackContext) -> None:
        self._context = context
        self._dist_name = f"minio-{version('minio')}"

    @property
    def endpoint(self) -> str:
        """Return the address of the S3 API."""
        return self._context.url(self._context.settings.minio_port)

    def prepare(self, report: Report) -> None:
        """Compile the server, which takes minutes."""

        def compile_server(into: Path) -> None:
            report("compiling MinIO (once; 4 to 8 minutes on two cores)")
            go_install(f"{_MODULE}@{version('minio')}", into=into, report=report)

        build_once(self._context.dist, self._dist_name, version("minio"), compile_server)

    def configure(self) -> None:
        """Write the certificate of a secure stack. All other configuration is in the environment."""
        if not self._context.secure:
            return
        files = self._context.certificates.files(self.name)
        write_private(self._certs / "public.crt", files.certificate.read_bytes())
        write_private(self._certs / "private.key", files.key.read_bytes())

    def processes(self) -> list[ProcessSpec]:
        """Return the process of the server."""
        settings, secrets = self._context.settings, self._context.secrets
        data = self._context.data_dir(self.name)
        return [
            ProcessSpec(
                name="minio",
                argv=[
                    str(self._context.dist / self._dist_name / "minio"),
                    "server",
                    f"--address={settings.host}:{settings.minio_port}",
                    f"--console-address={settings.host}:{settings.minio_console_port}",
                    *([f"--certs-dir={self._certs}"] if self._context.secure else []),
                    str(data),
                ],
                env={
                    "MINIO_ROOT_USER": secrets.minio_root_user,
                    "MINIO_ROOT_PASSWORD": secrets.minio_root_password.get_secret_value(),
                    # For server-side encryption (SSE-S3 and SSE-KMS), without a key server.
                    "MINIO_KMS_SECRET_KEY": f"{KMS_KEY_NAME}:{secrets.minio_kms_key.get_secret_value()}",
                    # Keeps MinIO from using ~/.minio, and from checking for updates.
                    "HOME": str(self._context.config_dir(self.name)),
                    "MINIO_UPDATE": "off",
                    # No token: metrics contain only sizes and counts, and the port is local.
                    "MINIO_PROMETHEUS_AUTH_TYPE": "public",
                    "PATH": os.environ.get("PATH", ""),
                },
                cwd=data,
                ready=lambda: http_ok(f"{self.endpoint}/minio/health/cluster", ca_file=self._context.ca_file),
                host=settings.host,
                ports=(settings.minio_port, settings.minio_console_port),
                deadline_s=60,
            )
        ]

    def after_start(self, report: Report) -> None:
        """Create the bucket if it is missing."""
        from botocore.exceptions import ClientError

        from stack.s3 import s3_client

        client = s3_client(self._context, self.endpoint)
        try:
            client.head_bucket(Bucket=BUCKET_RAW)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
                raise
            client.create_bucket(Bucket=BUCKET_RAW)
            report(f"bucket {BUCKET_RAW}")

    def addresses(self) -> dict[str, str]:
        """Return the S3 endpoint and the console."""
        return {"s3": self.endpoint, "console": self._context.url(self._context.settings.minio_console_port)}

    def description(self) -> str:
        """Return the version and the path of the credentials."""
        return f"MinIO {version('minio')}, credentials in {self._context.root / 'secrets.json'}"

    @property
    def _certs(self) -> Path:
        return self._context.config_dir(self.name) / "certs"
