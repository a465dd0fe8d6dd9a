"""NiFi component: an installation from Maven Central, the NAR with PutS3Object, and the pipeline's flow."""

from __future__ import annotations

import hashlib
import re
import shutil
import socket
import time
from collections.abc import Iterable
from pathlib import Path
from string import Template
from typing import Literal

from pydantic import SecretStr

from contracts.download_address import SIGNATURE_PATTERN
from nifi.connection import Access
from nifi.encryption import encryption_parameters
from stack.component import REPOSITORY, ProcessSpec, Report, StackContext
from stack.components import nifi_nar
from stack.components.nifi_nar import Nar, assemble_nar
from stack.dist import STAMP, build_once
from stack.encryption import encryption_variables
from stack.errors import NotReadyError, PrepareError, StackError
from stack.maven import run_maven
from stack.private_file import write_private
from stack.probes import http_ok
from stack.tools import provide_java
from stack.versions import version

_SOURCES = Path(__file__).parent.parent / "nifi_home"
_STANDIN_SOURCES = REPOSITORY / "nifi" / "s3-standin"
_S3_NARS = ("nifi-aws-service-api-nar", "nifi-aws-nar")
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"
_NOT_SERVED = ("Could not find artifact", "was not found in", "Forbidden", "status code: 403", "status code: 404")
_APACHE, _STANDIN = "Apache's", "stand-in"
_LOOKUP_EVERY_S = 24 * 3600
_LOOKUP_TIMEOUT_S = 60
_START_DEADLINE_S = 480
_INGEST_DEADLINE_S = 120
_NO_SECRET = SecretStr("changeit")
"""Password of a store that holds nothing but a certificate: Java requires one, and it is on NiFi's command line."""


class NiFi:
    """One NiFi node with the process group ``csv-ingestion-raw-to-minio``."""

    name = "nifi"
    needs: tuple[str, ...] = ()

    def __init__(self, context: StackContext) -> None:
        self._context = context
        self._version = version("nifi")
        self._home = context.dist / f"nifi-{self._version}"
        self.s3_nar = context.dist / f"nifi-s3-nar-{self._version}"
        self.lookup_file = context.dist / f".{self.s3_nar.name}.looked-up"

    @property
    def url(self) -> str:
        """Return the address of the API, without ``/nifi-api``."""
        return self._context.url(self._context.settings.nifi_port)

    @property
    def app_log(self) -> Path:
        """Return the log file of NiFi and of the flow."""
        return self._context.log_dir(self.name) / "nifi-app.log"

    def prepare(self, report: Report) -> None:
        """Assemble the installation and the NAR with PutS3Object."""
        provide_java(report)
        assembly = Path(nifi_nar.__file__)
        home_stamp = self._stamp([*_SOURCES.rglob("pom.xml"), assembly])
        build_once(self._context.dist, self._home.name, home_stamp, lambda d: self._build_home(d, report))
        nar_stamp = self._stamp([*(path for path in _STANDIN_SOURCES.rglob("*") if path.is_file()), assembly])
        if self._origin() == _STANDIN and self._is_lookup_due():
            self._replace_standin(nar_stamp, report)
        build_once(self._context.dist, self.s3_nar.name, nar_stamp, lambda d: self._build_s3_nar(d, report))

    def configure(self) -> None:
        """Write NiFi's configuration. The flow is part of the data and is not changed."""
        config, secrets = self._context.config_dir(self.name), self._context.secrets
        names = {
            "config": config,
            "data": self._context.data_dir(self.name),
            "home": self._home,
            "s3_nar": self.s3_nar,
            "host": self._context.settings.host,
            "port": self._context.settings.nifi_port,
            "sensitive_props_key": secrets.nifi_sensitive_props_key.get_secret_value(),
            "keystore_password": secrets.nifi_keystore_password.get_secret_value(),
        }
        mode = _SOURCES / ("secure" if self._context.secure else "plain")
        texts = {source.name: source.read_text() for source in (_SOURCES / "conf").iterdir()}
        texts["nifi.properties"] += (mode / "nifi.properties").read_text()
        texts["authorizers.xml"] = (mode / "authorizers.xml").read_text()
        for name, text in texts.items():
            write_private(config / name, Template(text).safe_substitute(names))
        if self._context.secure:
            certificates, password = self._context.certificates, secrets.nifi_keystore_password
            write_private(config / "keystore.p12", certificates.pkcs12_keystore(self.name, password))
            write_private(config / "truststore.p12", certificates.pkcs12_truststore(password))
            write_private(self._trusted, certificates.pkcs12_truststore(_NO_SECRET))

    def processes(self) -> list[ProcessSpec]:
        """Return the process of the node. It runs without nifi-bootstrap, which Maven Central lacks for NiFi 2."""
        settings = self._context.settings
        config = self._context.config_dir(self.name)
        argv = [
            str(provide_java(lambda _: None) / "bin" / "java"),
            "-Xms256m",
            f"-Xmx{settings.nifi_heap_mb}m",
            "-Djava.awt.headless=true",
            "--enable-native-access=ALL-UNNAMED",
            *self._trust(),
            f"-Dnifi.properties.file.path={config / 'nifi.properties'}",
            f"-Dnifi.log.dir={self._context.log_dir(self.name)}",
            f"-Dorg.apache.nifi.management.server.address={settings.host}:{settings.nifi_management_port}",
            "-cp",
            f"{config}:{self._home}/lib/*",
            "org.apache.nifi.NiFi",
        ]
        spec = ProcessSpec(
            name="nifi",
            argv=argv,
            cwd=self._context.data_dir(self.name),
            ready=self._probe,
            host=settings.host,
            ports=(settings.nifi_port, settings.nifi_ingest_port, settings.nifi_management_port),
            deadline_s=_START_DEADLINE_S,
            stop_timeout_s=30,
        )
        return [spec]

    def after_start(self, report: Report) -> None:
        """Deploy the flow with the parameters of this stack, and wait until it accepts messages."""
        from nifi.client import NiFiClient
        from nifi.deploy import deploy

        access = self.access()
        if self._context.secure:
            client = NiFiClient(self.url, access=access)
            for resource, action, identities in _rights(client.root_group()):
                client.grant(resource, action, identities)
        deploy(url=self.url, parameters=self.flow_parameters(), access=access, report=report)
        self.await_ingest()

    def access(self, user: str = "admin") -> Access:
        """Return the certificates that ``user`` (``admin``, ``airflow`` or ``monitoring``) connects to the API with."""
        if not self._context.secure:
            return Access()
        files = self._context.certificates.files(user)
        return Access(ca_file=str(self._context.ca_file), cert_file=str(files.certificate), key_file=str(files.key))

    def flow_parameters(self) -> dict[str, str]:
        """Return the flow's parameters that differ from nifi/parameters/local.yaml in this stack."""
        settings, secrets = self._context.settings, self._context.secrets
        uploader = re.escape(self._context.url(settings.uploader_port))
        return {
            "listen.port": str(settings.nifi_ingest_port),
            "source.url.pattern": f"{uploader}/chunks/[0-9a-f]{{32}}/[0-9]+/download/{SIGNATURE_PATTERN}",
            "s3.endpoint": self._context.url(settings.minio_port),
            "s3.access.key": secrets.minio_root_user,
            "s3.secret.key": secrets.minio_root_password.get_secret_value(),
            **self._listen_tls(),
            **encryption_parameters(encryption_variables(self._context)),
        }

    def _listen_tls(self) -> dict[str, str]:
        """Return the parameters of ListenHTTP: a secure stack accepts messages from Airflow only."""
        from nifi.listen_tls import LISTEN_TLS, ListenTls, tls_parameters

        if not self._context.secure:
            return {LISTEN_TLS: ListenTls.NONE.value}
        files = self._context.certificates.files(self.name)
        return tls_parameters(
            certificate=files.certificate, key=files.key, ca=self._context.ca_file, authorized_subject="CN=airflow"
        )

    def addresses(self) -> dict[str, str]:
        """Return the addresses of the UI and of ListenHTTP."""
        ingest = self._context.url(self._context.settings.nifi_ingest_port)
        return {"UI": f"{self.url}/nifi", "ingest": f"{ingest}/csv-ingest"}

    def description(self) -> str:
        """Return the version and the origin of PutS3Object."""
        return f"NiFi {self._version}, nifi-aws-nar: {self._origin() or 'not built'}"

    @property
    def _trusted(self) -> Path:
        return self._context.config_dir(self.name) / "trusted.p12"

    def _trust(self) -> list[str]:
        """Return the options that make all clients in NiFi (of the uploader, of MinIO) trust this stack's authority."""
        if not self._context.secure:
            return []
        store, password = self._trusted, _NO_SECRET.get_secret_value()
        option = "-Djavax.net.ssl.trustStore"
        return [f"{option}={store}", f"{option}Type=PKCS12", f"{option}Password={password}"]

    def _probe(self) -> str | None:
        client = self._context.certificates.files("admin") if self._context.secure else None
        return http_ok(f"{self.url}/nifi-api/flow/about", ca_file=self._context.ca_file, client=client)

    def _origin(self) -> str | None:
        """Return the origin of the installed NAR."""
        origin = self.s3_nar / "origin"
        return origin.read_text().strip() if origin.exists() else None

    def _is_lookup_due(self) -> bool:
        """Return whether the last lookup of Apache's NAR was at least a day ago."""
        try:
            age_s = time.time() - self.lookup_file.stat().st_mtime
        except FileNotFoundError:
            return True
        return not 0 <= age_s < _LOOKUP_EVERY_S

    def _replace_standin(self, stamp: str, report: Report) -> None:
        """Replace the stand-in by Apache's NAR if Maven serves it. Otherwise try again after a day."""
        self.lookup_file.touch()

        def fetch(into: Path) -> None:
            library = into / "lib"
            library.mkdir()
            if not self._fetch_s3_nars(library, report, "-U", timeout_s=_LOOKUP_TIMEOUT_S):
                raise PrepareError("Maven does not serve nifi-aws-nar")
            (into / "origin").write_text(_APACHE)

        try:
            build_once(self._context.dist, self.s3_nar.name, f"{stamp} {_APACHE}", fetch)
        except StackError as error:
            report(f"keeping the stand-in for nifi-aws-nar: {error.detail.splitlines()[0]}")
        else:
            report("replaced the stand-in by Apache's nifi-aws-nar, which Maven serves now")
            (self.s3_nar / STAMP).write_text(stamp)

    def await_ingest(self) -> None:
        """Wait until ListenHTTP listens, which it does about a second after a deployment has started it.

        Raises:
            NotReadyError: it does not.
        """
        address = (self._context.settings.host, self._context.settings.nifi_ingest_port)
        deadline = time.monotonic() + _INGEST_DEADLINE_S
        while True:
            try:
                return socket.create_connection(address, timeout=1).close()
            except OSError as error:
                if time.monotonic() > deadline:
                    raise NotReadyError(
                        f"the flow's ListenHTTP does not answer on port {address[1]}: {error}. See {self.app_log}"
                    ) from error
            time.sleep(0.2)

    def _stamp(self, sources: Iterable[Path]) -> str:
        digest = hashlib.sha256(b"".join(path.name.encode() + path.read_bytes() for path in sorted(sources)))
        return f"{self._version} {digest.hexdigest()}"

    def _build_home(self, into: Path, report: Report) -> None:
        report(f"downloading NiFi {self._version} (180 MB)")
        work = into / "build"
        shutil.copytree(_SOURCES, work)
        self._maven(work, report, "package")
        library = into / "lib"
        (work / "home" / "target" / "lib").rename(library)
        for name, parent in (
            ("nifi-standard-nar", "nifi-standard-shared-nar"),
            ("nifi-update-attribute-nar", "nifi-jetty-nar"),
        ):
            jars = work / name.removeprefix("nifi-") / "target" / "jars"
            assemble_nar(Nar(name=name, version=self._version, parent=parent), jars, library, library=library)
        shutil.rmtree(work)

    def _build_s3_nar(self, into: Path, report: Report) -> None:
        library = into / "lib"
        library.mkdir()
        if self._fetch_s3_nars(library, report):
            (into / "origin").write_text(_APACHE)
            return
        report("Maven does not serve nifi-aws-nar: building the stand-in from nifi/s3-standin")
        work = into / "build"
        shutil.copytree(_STANDIN_SOURCES, work)
        self._maven(work, report, "package")
        service_api = Nar(name=_S3_NARS[0], version=self._version, parent="nifi-standard-shared-nar")
        processors = Nar(name=_S3_NARS[1], version=self._version, parent=_S3_NARS[0])
        home_library = self._home / "lib"
        assemble_nar(service_api, work / "target" / "service-api", library, library=home_library)
        assemble_nar(processors, work / "target", library, library=home_library)
        (into / "origin").write_text(_STANDIN)
        self.lookup_file.touch()
        shutil.rmtree(work)

    def _fetch_s3_nars(self, library: Path, report: Report, *options: str, timeout_s: float | None = None) -> bool:
        """Fetch Apache's NARs. Return whether Maven serves them."""
        for name in _S3_NARS:
            artifact = f"-Dartifact=org.apache.nifi:{name}:{self._version}:nar"
            try:
                output = f"-DoutputDirectory={library}"
                self._maven(library.parent, report, *options, _COPY, artifact, output, timeout_s=timeout_s)
            except PrepareError as error:
                if not any(sign in error.detail for sign in _NOT_SERVED):
                    raise
                return False
        return True

    def _maven(self, cwd: Path, report: Report, *arguments: str, timeout_s: float | None = None) -> None:
        run_maven(f"-Dnifi.version={self._version}", *arguments, cwd=cwd, report=report, timeout_s=timeout_s)


def _rights(root_group: str) -> list[tuple[str, Literal["read", "write"], list[str]]]:
    """Return resource, action and the users who may do it, beyond what NiFi grants its first administrator."""
    group, data = f"/process-groups/{root_group}", f"/data/process-groups/{root_group}"
    everyone, reader, admin = ["CN=admin", "CN=airflow", "CN=monitoring"], ["CN=admin", "CN=airflow"], ["CN=admin"]
    return [
        ("/flow", "read", everyone),
        (group, "read", reader),
        (group, "write", admin),
        (data, "read", admin),
        (data, "write", admin),
        ("/provenance-data" + group, "read", admin),
        ("/provenance", "read", admin),
        ("/system", "read", admin),
        ("/parameter-contexts", "read", admin),
        ("/parameter-contexts", "write", admin),
    ]
