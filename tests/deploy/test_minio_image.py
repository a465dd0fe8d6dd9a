"""The image of MinIO: built as far as can be, run, and given its bucket by the command of the compose file.

No image with Go can be had here, and compiling takes minutes. So ``fake-go`` stands in the image of Go: it refuses any
command but the one that the local stack compiles MinIO with, and hands over what that made.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from csvpipe.settings import ClientSettings
from csvpipe.verify.s3_objects import connect
from stack.local import LocalStack
from stack.report import silent
from stack.versions import version
from tests.support.containers.compose_file import SERVICES, environment_of
from tests.support.containers.engine import LIMITS, READ_ONLY, Engine, call, free_port
from tests.support.kubernetes.manifests import ROOT
from tests.support.services import settings_on_free_ports
from tests.support.waiting import wait_until

pytestmark = pytest.mark.timeout(1_800)
FAKE_GO = f"""#!/bin/sh
set -eu
for last; do :; done
test "$1" = install
test "$last" = github.com/minio/minio@{version("minio")}
test "$CGO_ENABLED" = 0
mkdir -p "$GOBIN"
cp /minio "$GOBIN/minio"
"""


@pytest.fixture(scope="module")
def image(engine: Engine, base: str, build_secrets: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("minio")
    stack = LocalStack(root=folder / "stack", settings=settings_on_free_ports(), report=silent)
    stack.prepare(["minio"])
    go = image_with_fake_go(engine, base, stack.dist / f"minio-{version('minio')}" / "minio", folder / "go")
    return engine.build(target="minio", base=base, secrets=build_secrets, arguments={"GO_IMAGE": go})


def image_with_fake_go(engine: Engine, base: str, program: Path, context: Path) -> str:
    context.mkdir()
    shutil.copy(program, context / "minio")
    (context / "go").write_text(FAKE_GO)
    (context / "go").chmod(0o755)
    (context / "Dockerfile").write_text(f"FROM {base}\nCOPY minio /minio\nCOPY go /usr/local/bin/go\n")
    return engine.build_directory(context, "localhost/fake-go:test")


@pytest.fixture
def container(engine: Engine, image: str, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Run the service as the compose file says, on free ports; give the container and the address of its API."""
    service, port = SERVICES["minio"], free_port()
    volume = tmp_path / "volume"
    volume.mkdir()
    call(["chown", "10001", volume])
    (tmpfs,), (mount,) = service["tmpfs"], service["volumes"]
    options = [*READ_ONLY, "--tmpfs", tmpfs, "--volume", f"{volume}:{mount.split(':')[1]}", "--cap-drop", "ALL"]
    command = [*service["command"][:-1], f"127.0.0.1:{free_port()}", "--address", f"127.0.0.1:{port}"]
    with engine.container(image, *command, environment=environment_of("minio"), options=options) as container:
        yield container, f"127.0.0.1:{port}"


def check_of(address: str) -> list[str]:
    """Return the health check of the service, for a container whose port is another."""
    kind, *command = SERVICES["minio"]["healthcheck"]["test"]
    assert kind == "CMD"
    assert "127.0.0.1:9000" in command[-1]
    return [*command[:-1], command[-1].replace("127.0.0.1:9000", address)]


def test_minio_becomes_healthy_and_gets_its_bucket(engine: Engine, container: tuple[str, str]) -> None:
    name, address = container

    def is_healthy() -> bool:
        done = subprocess.run(
            [*engine.podman_command, "exec", name, *check_of(address)], capture_output=True, check=False
        )
        return done.returncode == 0

    wait_until(is_healthy, what="MinIO is healthy", deadline_s=60, explain=lambda: engine.podman("logs", name))
    given = environment_of("minio-bucket") | {"S3_ENDPOINT": f"http://{address}"}
    for _ in range(2):
        csvpipe = [ROOT / ".venv" / "bin" / "csvpipe", *SERVICES["minio-bucket"]["command"]]
        call(csvpipe, environment={"PATH": os.environ["PATH"], **given})
    settings = ClientSettings(_env_file=None, **{key.lower(): value for key, value in given.items()})  # type: ignore[arg-type]  # names are checked by pydantic
    assert list(connect(settings).keys("")) == []


def test_health_check_fails_without_a_server(engine: Engine, image: str) -> None:
    command = check_of(f"127.0.0.1:{free_port()}")
    with pytest.raises(AssertionError, match="Connection refused"):
        engine.podman("run", "--rm", "--network=host", *LIMITS, "--entrypoint", command[0], image, *command[1:])


def test_other_version_of_minio_is_refused(engine: Engine, image: str, tmp_path: Path) -> None:
    # What the fake refuses: or the test above would hold for any command.
    script = tmp_path / "go"
    script.write_text(FAKE_GO)
    command = shlex.split("sh -e go install github.com/minio/minio@latest")
    environment = {"PATH": os.environ["PATH"], "CGO_ENABLED": "0", "GOBIN": str(tmp_path)}
    assert subprocess.run(command, cwd=tmp_path, env=environment, check=False).returncode != 0
    assert image in engine.podman("images", "--format", "{{.Repository}}:{{.Tag}}")
