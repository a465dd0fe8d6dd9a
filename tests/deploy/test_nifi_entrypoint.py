"""docker/nifi-entrypoint: what it makes of the properties of the release, and that NiFi starts with them.

The release's archive cannot be had here. Its conf is that of the local stack with the lines that the release has
(docker/images/nifi.yaml) in place of the stack's; ``fake-nifi.sh`` starts the NiFi of the local stack on it.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from stack.component import ProcessSpec
from stack.components.nifi import NiFi
from stack.local import LocalStack
from stack.report import silent
from tests.support.containers.compose_file import environment_of
from tests.support.containers.engine import free_port
from tests.support.containers.image_variables import facts
from tests.support.kubernetes.manifests import ROOT
from tests.support.services import settings_on_free_ports
from tests.support.waiting import wait_until

ENTRYPOINT = ROOT / "docker" / "nifi-entrypoint"
KEY = environment_of("nifi")["NIFI_SENSITIVE_PROPS_KEY"]


def properties(file: Path) -> dict[str, str]:
    """Read a properties file as Java does, as far as ours go: a backslash quotes what follows it."""
    pairs = [line.split("=", 1) for line in file.read_text().splitlines() if "=" in line and not line.startswith("#")]
    return {name: value.replace("\\\\", "\\") for name, value in pairs}


def with_lines(text: str, lines: Mapping[str, str]) -> str:
    """Return a properties file with ``lines`` in place of those of the same names."""
    kept = [line for line in text.splitlines() if line.partition("=")[0] not in lines]
    return "\n".join([*kept, *(f"{name}={value}" for name, value in lines.items())]) + "\n"


@dataclass(frozen=True)
class Home:
    """NIFI_HOME as the image has it, with ``bin/nifi.sh`` of a fake."""

    path: Path

    @property
    def conf(self) -> Path:
        """Return the directory that is a volume in the image."""
        return self.path / "conf"

    def command(self, **given: str) -> tuple[list[str], dict[str, str]]:
        """Return the command and the environment of the service's container, with ``given`` in place of its values."""
        environment = {"PATH": os.environ["PATH"], "NIFI_HOME": str(self.path), "NIFI_LOG_DIR": str(self.path / "logs")}
        return [str(ENTRYPOINT)], environment | environment_of("nifi") | given

    def run(self, **given: str) -> subprocess.CompletedProcess[str]:
        """Run the entry point to its end."""
        command, environment = self.command(**given)
        # Into files: the entry point's `tail` keeps a pipe open until its process has been waited for.
        printed, failed = self.path / "stdout", self.path / "stderr"
        with printed.open("w") as stdout, failed.open("w") as stderr:
            code = subprocess.run(command, env=environment, cwd=self.path, stdout=stdout, stderr=stderr, check=False)
        return subprocess.CompletedProcess(command, code.returncode, printed.read_text(), failed.read_text())


def make_home(path: Path, nifi_properties: str, conf: Path, nifi_sh: str) -> Home:
    home = Home(path)
    shipped = path / "conf.shipped"
    shipped.mkdir(parents=True)
    home.conf.mkdir()
    for file in conf.iterdir():
        (shipped / file.name).write_text(file.read_text())
    release = facts()["nifi"]
    (shipped / "nifi.properties").write_text(with_lines(nifi_properties, release["nifi.properties"]))
    (shipped / "bootstrap.conf").write_text(with_lines("run.as=\n", release["bootstrap.conf"]))
    program = path / "bin" / "nifi.sh"
    program.parent.mkdir()
    program.write_text(nifi_sh)
    program.chmod(0o755)
    return home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home whose NiFi prints what it was called with."""
    (tmp_path / "conf").mkdir()
    return make_home(tmp_path / "nifi", "nifi.ui.banner.text=\n", tmp_path / "conf", '#!/bin/sh\necho "$0" "$@"\n')


def test_nifi_listens_without_tls_on_the_port_of_the_service(home: Home) -> None:
    done = home.run()
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-2:] == [str(home.path / "bin" / "nifi.sh"), "run"]
    found = properties(home.conf / "nifi.properties")
    assert found["nifi.web.http.host"] == "0.0.0.0"
    assert found["nifi.web.http.port"] == environment_of("nifi")["NIFI_WEB_HTTP_PORT"]
    of_https = {name for name in found if ".https." in name or "store" in name or name.endswith("identity.provider")}
    assert {found[name] for name in of_https} == {""}
    assert found["nifi.remote.input.secure"] == "false"
    assert found["nifi.remote.input.socket.port"] == "", "site-to-site would take a port, 10000 in the official image"


def test_other_properties_are_those_of_the_release(home: Home) -> None:
    home.run()
    shipped, found = (properties(home.path / name / "nifi.properties") for name in ("conf.shipped", "conf"))
    assert shipped.keys() == found.keys()
    assert found["nifi.security.user.authorizer"] == shipped["nifi.security.user.authorizer"]
    bootstrap = properties(home.conf / "bootstrap.conf")
    assert bootstrap == {"run.as": "", **facts()["nifi"]["bootstrap.conf"], "java.arg.3": "-Xmx1g"}


@pytest.mark.parametrize("key", ["twelve-chars", "p|pe & \\back\\slash=$HOME", "'quoted' \"twice\""])
def test_key_is_written_unchanged(home: Home, key: str) -> None:
    assert home.run(NIFI_SENSITIVE_PROPS_KEY=key).returncode == 0
    assert properties(home.conf / "nifi.properties")["nifi.sensitive.props.key"] == key


@pytest.mark.parametrize("key", ["", "eleven-char"])
def test_key_that_nifi_refuses_stops_the_start(home: Home, key: str) -> None:
    done = home.run(NIFI_SENSITIVE_PROPS_KEY=key)
    assert done.returncode == 78
    assert "NIFI_SENSITIVE_PROPS_KEY" in done.stderr


def test_restart_and_upgrade_keep_only_the_flow(home: Home) -> None:
    home.run()
    (home.conf / "flow.json.gz").write_bytes(b"the flow")
    shipped = home.path / "conf.shipped" / "nifi.properties"
    shipped.write_text(shipped.read_text() + "nifi.of.the.next.version=1\n")
    assert home.run().returncode == 0
    assert (home.conf / "flow.json.gz").read_bytes() == b"the flow"
    assert properties(home.conf / "nifi.properties")["nifi.of.the.next.version"] == "1"


def test_release_without_one_of_the_properties_is_refused(home: Home) -> None:
    shipped = home.path / "conf.shipped" / "nifi.properties"
    shipped.write_text(shipped.read_text().replace("nifi.web.http.port=", "nifi.web.plain.port="))
    done = home.run()
    assert done.returncode == 78
    assert "nifi.web.http.port" in done.stderr


@pytest.fixture(scope="module")
def nifi(tmp_path_factory: pytest.TempPathFactory) -> tuple[NiFi, ProcessSpec]:
    root = tmp_path_factory.mktemp("stack")
    stack = LocalStack(root=root, settings=settings_on_free_ports(), report=silent)
    stack.prepare(["nifi"])
    component = NiFi(stack.context)
    component.configure()
    (spec,) = component.processes()
    return component, spec


def real_home(component: NiFi, spec: ProcessSpec, path: Path) -> Home:
    """Return a home whose NiFi is that of the local stack, with the heap of ``bootstrap.conf``."""
    conf = component.app_log.parents[2] / "config" / "nifi"
    argv = [word.replace(str(conf), str(path / "conf")) for word in spec.argv]
    heap = next(word for word in argv if word.startswith("-Xmx"))
    start = shlex.join(argv).replace(heap, '"$(sed -n s/^java.arg.3=//p "$NIFI_HOME/conf/bootstrap.conf")"')
    nifi_properties = (conf / "nifi.properties").read_text().replace(str(conf), str(path / "conf"))
    return make_home(path, nifi_properties, conf, f"#!/bin/sh\ncd {shlex.quote(str(spec.cwd))}\nexec {start}\n")


@contextmanager
def started(home: Home, port: int) -> Iterator[subprocess.Popen[bytes]]:
    command, environment = home.command(NIFI_WEB_HTTP_PORT=str(port))
    with (home.path / "output").open("wb") as output:
        process = subprocess.Popen(command, env=environment, cwd=home.path, stdout=output, stderr=output)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.timeout(600)
def test_real_nifi_answers_the_health_check_and_stops_on_term(nifi: tuple[NiFi, ProcessSpec], tmp_path: Path) -> None:
    home, port = real_home(*nifi, tmp_path / "nifi"), free_port()
    with started(home, port) as process:
        url = f"http://127.0.0.1:{port}/nifi-api/flow/about"
        wait_until(
            lambda: answers(url) or process.poll() is not None,
            what="NiFi answers",
            deadline_s=400,
            explain=(home.path / "output").read_text,
        )
        assert process.poll() is None, (home.path / "output").read_text()
        metrics = httpx.get(f"http://127.0.0.1:{port}/nifi-api/flow/metrics/prometheus", trust_env=False, timeout=60)
        assert metrics.status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) in {0, 143, -signal.SIGTERM}
