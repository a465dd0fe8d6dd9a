"""Uploader component, from this checkout."""

from __future__ import annotations

import sys
from pathlib import Path

from contracts.names import BUCKET_RAW, TOPIC_INGEST
from stack.component import REPOSITORY, ProcessSpec, Report, StackContext
from stack.encryption import encryption_variables
from stack.probes import http_ok
from stack.uploader_keys import UploaderKeys


class Uploader:
    """``csvpipe serve`` with the addresses of this stack. It needs no other: it accepts uploads without Kafka."""

    name = "uploader"
    needs: tuple[str, ...] = ()

    def __init__(self, context: StackContext) -> None:
        self._context = context
        self._keys = UploaderKeys(context)

    @property
    def url(self) -> str:
        """Return the address of the API."""
        return self._context.url(self._context.settings.uploader_port)

    def prepare(self, report: Report) -> None:
        """Do nothing: the uploader is part of this project's environment."""

    def configure(self) -> None:
        """Write the keys. All other configuration is in the environment."""
        self._keys.write()

    def processes(self) -> list[ProcessSpec]:
        """Return the process of the server. Its workers are child processes."""
        settings = self._context.settings
        data = self._context.data_dir(self.name)
        csvpipe = Path(sys.executable).with_name("csvpipe")
        environment = {
            "PYTHONPATH": str(REPOSITORY),
            "KAFKA_BROKER": f"{settings.host}:{settings.kafka_port}",
            "KAFKA_TOPIC_INGEST": TOPIC_INGEST,
            "S3_BUCKET": BUCKET_RAW,
            **self._object_store(),
            "AIRFLOW_URL": self._context.url(settings.airflow_port),
            "BUCKET_BROWSER_URL": f"{self._context.url(settings.minio_console_port)}/browser/{{bucket}}/{{prefix}}",
            "TEMP_DIR": str(data),
            "API_HOST": settings.host,
            "API_PORT": str(settings.uploader_port),
            "REPLICA_NAME": "local",
            # The keys of a local stack belong to one person, who tries it, measures and tests.
            "UPLOADS_PER_MINUTE": "0",
            "UPLOADS_AT_ONCE_PER_KEY": "0",
            "ACCESS": "keys",
            "ADMIN_KEY_FILE": str(self._keys.file("admin")),
            "RELAY_KEY_FILE": str(self._keys.file("relay")),
            **(self._security() if self._context.secure else {}),
            **settings.uploader_environment,
        }
        return [
            ProcessSpec(
                name="uploader",
                argv=[str(csvpipe), "serve", "--workers", str(settings.uploader_workers)],
                env=environment,
                cwd=data,
                ready=lambda: http_ok(f"{self.url}/health", ca_file=self._context.ca_file),
                host=settings.host,
                ports=(settings.uploader_port,),
                deadline_s=60,
                stop_timeout_s=40,
            )
        ]

    def after_start(self, report: Report) -> None:
        """Register the key of the user of this machine, which csvpipe finds by itself."""
        self._keys.register_client(self.url)
        report("key of the client registered")

    def addresses(self) -> dict[str, str]:
        """Return the address of the page, which is also that of the API, and that of the API's documentation."""
        return {"page": self.url, "docs": f"{self.url}/docs"}

    def description(self) -> str:
        """Return the number of workers, and where the key is."""
        workers = f"{self._context.settings.uploader_workers} worker process(es)"
        return (
            f"{workers}; csvpipe finds its key, the page asks for that in {self._keys.file('client')}, curl needs "
            f"--header @{self._keys.header_file}"
        )

    def _object_store(self) -> dict[str, str]:
        """Return the settings with which the uploader looks at landed objects."""
        context = self._context
        return {
            "S3_ENDPOINT": context.url(context.settings.minio_port),
            "AWS_ACCESS_KEY_ID": context.secrets.minio_root_user,
            "AWS_SECRET_ACCESS_KEY": context.secrets.minio_root_password.get_secret_value(),
            **encryption_variables(context),
            **({"S3_CA_FILE": str(context.ca_file)} if context.ca_file else {}),
        }

    def _security(self) -> dict[str, str]:
        """Return the settings of a secure stack: HTTPS, and the user of Kafka."""
        files = self._context.certificates.files(self.name)
        return {
            "TLS_CERT_FILE": str(files.certificate),
            "TLS_KEY_FILE": str(files.key),
            "KAFKA_SECURITY": "scram",
            "KAFKA_USERNAME": self.name,
            "KAFKA_PASSWORD": self._context.secrets.kafka_password(self.name).get_secret_value(),
            "KAFKA_CA_FILE": str(self._context.ca_file),
        }
