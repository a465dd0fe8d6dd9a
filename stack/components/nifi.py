"""NiFi: a home put together from Maven Central, the NAR with PutS3Object, and the flow of the pipeline."""

from __future__ import annotations

import hashlib
import re
import shutil
import socket
import time
from collections.abc import Iterable
from pathlib import Path
from string import Template

from stack.component import REPOSITORY, ProcessSpec, Report, StackContext
from stack.components import nifi_nar
from stack.components.nifi_nar import Nar, assemble_nar
from stack.dist import STAMP, build_once
from stack.errors import NotReadyError, PrepareError, StackError
from stack.maven import run_maven
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
_START_DEADLINE_S = 240
_INGEST_DEADLINE_S = 30


class NiFi:
    """One NiFi node with the process group ``csv-ingestion-raw-to-minio``."""

    name = "nifi"
    needs: tuple[str, ...] = ()

    def __init__(self, context: StackContext) -> None:
        self._context = context
        self._version = version("nifi")
        self._home = context.dist / f"nifi-{self._version}"
        self._s3_nar = context.dist / f"nifi-s3-nar-{self._version}"
        self._lookup = context.dist / f".{self._s3_nar.name}.looked-up"

    @property
    def url(self) -> str:
        """Return the address of the API, without ``/nifi-api``."""
        return f"http://{self._context.settings.host}:{self._context.settings.nifi_port}"

    @property
    def app_log(self) -> Path:
        """Return the file that NiFi and the flow log to."""
        return self._context.log_dir(self.name) / "nifi-app.log"

    def prepare(self, report: Report) -> None:
        """Put the home together, and the NAR with PutS3Object."""
        provide_java(report)
        assembly = Path(nifi_nar.__file__)
        home_stamp = self._stamp([*_SOURCES.rglob("pom.xml"), assembly])
        build_once(self._context.dist, self._home.name, home_stamp, lambda d: self._build_home(d, report))
        nar_stamp = self._stamp([*(path for path in _STANDIN_SOURCES.rglob("*") if path.is_file()), assembly])
        if self._origin() == _STANDIN and self._is_lookup_due():
            self._replace_standin(nar_stamp, report)
        build_once(self._context.dist, self._s3_nar.name, nar_stamp, lambda d: self._build_s3_nar(d, report))

    def configure(self) -> None:
        """Write NiFi's configuration. The flow lies with the data and is not touched."""
        config = self._context.config_dir(self.name)
        config.chmod(0o700)  # nifi.properties holds the key of the sensitive parameters
        names = {
            "config": config,
            "data": self._context.data_dir(self.name),
            "home": self._home,
            "s3_nar": self._s3_nar,
            "host": self._context.settings.host,
            "port": self._context.settings.nifi_port,
            "sensitive_props_key": self._context.secrets.nifi_sensitive_props_key.get_secret_value(),
        }
        for source in (_SOURCES / "conf").iterdir():
            (config / source.name).write_text(Template(source.read_text()).safe_substitute(names))

    def processes(self) -> list[ProcessSpec]:
        """Return the one node: without nifi-bootstrap, which Maven Central does not hold for NiFi 2."""
        settings = self._context.settings
        config = self._context.config_dir(self.name)
        argv = [
            str(provide_java(lambda _: None) / "bin" / "java"),
            "-Xms256m",
            f"-Xmx{settings.nifi_heap_mb}m",
            "-Djava.awt.headless=true",
            "--enable-native-access=ALL-UNNAMED",
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
            ready=lambda: http_ok(f"{self.url}/nifi-api/flow/about"),
            host=settings.host,
            ports=(settings.nifi_port, settings.nifi_ingest_port, settings.nifi_management_port),
            deadline_s=_START_DEADLINE_S,
            stop_timeout_s=30,
        )
        return [spec]

    def after_start(self, report: Report) -> None:
        """Deploy the flow with the parameters of this stack, and wait until it takes messages."""
        from nifi.deploy import deploy

        deploy(url=self.url, parameters=self.flow_parameters(), report=report)
        self._await_ingest()

    def flow_parameters(self) -> dict[str, str]:
        """Return what the flow's parameters are in this stack; the others are as in nifi/parameters/local.yaml."""
        settings, secrets = self._context.settings, self._context.secrets
        uploader = re.escape(f"http://{settings.host}:{settings.uploader_port}")
        return {
            "listen.port": str(settings.nifi_ingest_port),
            "source.url.pattern": uploader + "/chunks/[0-9a-f]{32}/[0-9]+/download",
            "s3.endpoint": f"http://{settings.host}:{settings.minio_port}",
            "s3.access.key": secrets.minio_root_user,
            "s3.secret.key": secrets.minio_root_password.get_secret_value(),
        }

    def addresses(self) -> dict[str, str]:
        """Return the UI, and where chunk messages are posted to."""
        settings = self._context.settings
        return {"UI": f"{self.url}/nifi", "ingest": f"http://{settings.host}:{settings.nifi_ingest_port}/csv-ingest"}

    def note(self) -> str | None:
        """Return the version, and whose PutS3Object runs."""
        return f"NiFi {self._version}, nifi-aws-nar: {self._origin() or 'not built'}"

    def _origin(self) -> str | None:
        """Return whose NAR is built."""
        origin = self._s3_nar / "origin"
        return origin.read_text().strip() if origin.exists() else None

    def _is_lookup_due(self) -> bool:
        """Return whether Maven was last asked for Apache's NAR a day ago or longer."""
        try:
            age_s = time.time() - self._lookup.stat().st_mtime
        except FileNotFoundError:
            return True
        return not 0 <= age_s < _LOOKUP_EVERY_S

    def _replace_standin(self, stamp: str, report: Report) -> None:
        """Take Apache's NAR in place of the stand-in if Maven serves it by now; otherwise look again after a day."""
        self._lookup.touch()

        def fetch(into: Path) -> None:
            library = into / "lib"
            library.mkdir()
            if not self._fetch_s3_nars(library, report, "-U", timeout_s=_LOOKUP_TIMEOUT_S):
                raise PrepareError("Maven does not serve nifi-aws-nar")
            (into / "origin").write_text(_APACHE)

        try:
            build_once(self._context.dist, self._s3_nar.name, f"{stamp} {_APACHE}", fetch)
        except StackError as error:
            report(f"the stand-in for nifi-aws-nar stays: {error.detail.splitlines()[0]}")
        else:
            report("Maven serves Apache's nifi-aws-nar now: it replaces the stand-in")
            (self._s3_nar / STAMP).write_text(stamp)

    def _await_ingest(self) -> None:
        address = (self._context.settings.host, self._context.settings.nifi_ingest_port)
        deadline = time.monotonic() + _INGEST_DEADLINE_S
        while True:
            try:
                return socket.create_connection(address, timeout=1).close()
            except OSError as error:
                if time.monotonic() > deadline:
                    raise NotReadyError(
                        f"the flow's ListenHTTP does not answer at port {address[1]}: {error}. See {self.app_log}"
                    ) from error
            time.sleep(0.2)

    def _stamp(self, sources: Iterable[Path]) -> str:
        digest = hashlib.sha256(b"".join(path.name.encode() + path.read_bytes() for path in sorted(sources)))
        return f"{self._version} {digest.hexdigest()}"

    def _build_home(self, into: Path, report: Report) -> None:
        report(f"downloading the parts of NiFi {self._version} (180 MB)")
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
        report("nifi-aws-nar is not served here: building the stand-in from nifi/s3-standin")
        work = into / "build"
        shutil.copytree(_STANDIN_SOURCES, work)
        self._maven(work, report, "package")
        service_api = Nar(name=_S3_NARS[0], version=self._version, parent="nifi-standard-shared-nar")
        processors = Nar(name=_S3_NARS[1], version=self._version, parent=_S3_NARS[0])
        home_library = self._home / "lib"
        assemble_nar(service_api, work / "target" / "service-api", library, library=home_library)
        assemble_nar(processors, work / "target", library, library=home_library)
        (into / "origin").write_text(_STANDIN)
        self._lookup.touch()
        shutil.rmtree(work)

    def _fetch_s3_nars(self, library: Path, report: Report, *options: str, timeout_s: float | None = None) -> bool:
        """Return whether Apache's own NARs could be had."""
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
