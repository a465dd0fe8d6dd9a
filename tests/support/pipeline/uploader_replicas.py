"""Two uploaders of a secure stack on one PostgreSQL, behind a load balancer at the address of the stack's own."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from contracts.download_address import SIGNATURE_PATTERN
from stack.components.uploader import Uploader
from stack.local import LocalStack
from stack.ports import free_ports
from stack.process import ManagedProcess
from tests.support.network.round_robin import RoundRobinProxy, round_robin_proxy
from tests.support.pipeline.nifi_flow import deploy_flow
from tests.support.services import running_stack

_COUNT = 2


class UploaderReplicas:
    """What an operator of several replicas does: change their settings, and restart them one after the other.

    Attributes:
        stack: with all other services.
        environment: settings of all replicas that differ from the stack's; used at the next restart.
        ca_file: the authorities that Airflow trusts for the uploader.
        tls_files: certificate and key of all replicas.
        urls: the addresses of the replicas themselves.
    """

    def __init__(self, stack: LocalStack, ports: list[int], environment: dict[str, str]) -> None:
        root, own = stack.root, stack.context.certificates.files("uploader")
        self.stack = stack
        self.ca_file = root / "uploader-ca.pem"
        self.tls_files = (root / "uploader-tls" / "tls.crt", root / "uploader-tls" / "tls.key")
        self.tls_files[0].parent.mkdir()
        for source, copy in zip(
            (stack.context.certificates.ca_file, own.certificate, own.key), self._files, strict=True
        ):
            shutil.copy(source, copy)
        names = ("TLS_CERT_FILE", "TLS_KEY_FILE")
        self.environment = environment | dict(zip(names, map(str, self.tls_files), strict=True))
        context = stack.context
        self._uploaders = [
            Uploader(
                replace(
                    context, settings=context.settings.model_copy(update={"uploader_port": port, "uploader_workers": 1})
                )
            )
            for port in ports
        ]
        self.urls = [uploader.url for uploader in self._uploaders]
        self._proxy: RoundRobinProxy

    def start(self, proxy: RoundRobinProxy) -> None:
        """Start all replicas behind ``proxy``, and let NiFi fetch from them."""
        self._proxy = proxy
        context = self.stack.context
        behind_proxy = Uploader(context)
        behind_proxy.configure()
        for number in range(_COUNT):
            self._start(number)
        behind_proxy.after_start(lambda _: None)
        addresses = "|".join(re.escape(url) for url in self.urls)
        pattern = f"({addresses})/chunks/[0-9a-f]{{32}}/[0-9]+/download/{SIGNATURE_PATTERN}"
        deploy_flow(self.stack, {"source.url.pattern": pattern})

    def restart_one_by_one(self) -> None:
        """Restart every replica with the current settings. The load balancer gives it nothing to do meanwhile."""
        for number in range(_COUNT):
            self._proxy.take_out(number)
            self._process(number).stop()
            self._start(number)
            self._proxy.put_back(number)

    @property
    def _files(self) -> tuple[Path, Path, Path]:
        return (self.ca_file, *self.tls_files)

    def _start(self, number: int) -> None:
        [spec] = self._uploaders[number].processes()
        name = f"replica-{number}"
        data = self.stack.context.data_dir(name)
        own = {"REPLICA_NAME": name, "TEMP_DIR": str(data)}
        spec = replace(spec, name=name, cwd=data, env={**spec.env, **self.environment, **own})
        process = self._process(number)
        process.start(spec)
        process.wait_ready(spec)

    def _process(self, number: int) -> ManagedProcess:
        return self.stack.context.process("uploader", f"replica-{number}")


@contextmanager
def running_replicated_stack(root: Path, *, database_url: str) -> Iterator[UploaderReplicas]:
    """Start a whole secure stack with two replicas of the uploader.

    Airflow's connections to the uploader and to Kafka are in its database, where an operator can change them.
    """
    ports = free_ports(_COUNT)
    airflow = {
        "AIRFLOW_CONN_CSV_UPLOADER": "",
        "AIRFLOW_CONN_KAFKA_CSV_INGESTION": "",
        "AIRFLOW_VAR_CSV_INGESTION_ALLOWED_HOSTS": ",".join(f"https://127.0.0.1:{port}" for port in ports),
    }
    others = ["kafka", "minio", "nifi", "airflow"]
    with running_stack(root, others, secure=True, airflow_environment=airflow) as stack:
        replicas = UploaderReplicas(stack, ports, {"DATABASE_URL": database_url})
        targets = [("127.0.0.1", port) for port in ports]
        with round_robin_proxy(targets, port=stack.context.settings.uploader_port) as proxy:
            replicas.start(proxy)
            yield replicas
