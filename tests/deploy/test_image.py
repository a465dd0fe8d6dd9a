"""The images of the Dockerfile, built on a Debian of our own making and run with podman: no engine, no registry.

Kafka is not there, so an upload ends as ``awaiting_kafka``: taken, on the disk, and nothing lost.
"""

from __future__ import annotations

import hashlib
import re
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from confluent_kafka import libversion

from csvpipe.app import COMMANDS, CommandSpec
from tests.support.containers.engine import READ_ONLY, Engine, call, free_port
from tests.support.waiting import wait_until

MB = 1_000_000
"""As `podman images` counts."""
LIMIT_BYTES = 250 * MB
USER = 10001
HOME = "/var/lib/csvpipe"
GRACE_S = 60
ROWS = b"".join(b"%d,row %d\n" % (row, row) for row in range(1, 20_001))
CSV = b"id,name\n" + ROWS
BEGUN = (
    b"POST /upload/csv?dataset_name=people HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10000000\r\n"
    b"Content-Type: multipart/form-data; boundary=x\r\n\r\n"
    b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n' + CSV
)
"""An upload that does not end."""
OF_UPLOADER = [spec for spec in COMMANDS if spec.extra != "sequencer" and not spec.in_checkout]
pytestmark = pytest.mark.timeout(1_800)


@pytest.fixture(scope="module")
def images(engine: Engine, base: str, build_secrets: dict[str, Path]) -> dict[str, str]:
    targets = ("uploader", "sequencer")
    return {target: engine.build(target=target, base=base, secrets=build_secrets) for target in targets}


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """Return a folder that is the container's one place to write to."""
    folder = tmp_path / "volume"
    folder.mkdir()
    call(["chown", str(USER), folder])
    return folder


@contextmanager
def running(engine: Engine, image: str, volume: Path, *arguments: str) -> Iterator[tuple[str, httpx.Client]]:
    """Run an uploader without Kafka on a read-only root; give its container and a client of it."""
    port = free_port()
    environment = {
        "API_HOST": "127.0.0.1",
        "API_PORT": str(port),
        "KAFKA_BROKER": f"127.0.0.1:{free_port()}",
        "REPLICA_NAME": "uploader",
        "MIN_FREE_DISK_MB": "0",
        "LOW_DISK_MB": "0",
    }
    options = [*READ_ONLY, "--volume", f"{volume}:{HOME}"]
    with (
        engine.container(image, *arguments, environment=environment, options=options) as container,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client,
    ):
        wait_until(
            lambda: is_alive(client),
            what="the uploader answers",
            deadline_s=60,
            explain=lambda: engine.podman("logs", container),
        )
        yield container, client


def is_alive(client: httpx.Client) -> bool:
    try:
        return client.get("/health").status_code == 200
    except httpx.TransportError:
        return False


def upload(client: httpx.Client) -> dict[str, object]:
    answer = client.post(
        "/upload/csv",
        params={"dataset_name": "people", "chunk_type": "rows", "chunk_size": "5000"},
        files={"file": ("people.csv", CSV, "text/csv")},
    )
    assert answer.status_code == 202, answer.text
    body: dict[str, object] = answer.json()
    return body


def stop(engine: Engine, container: str) -> int:
    """Send TERM, KILL after the grace time; return the exit code: 137 is what KILL leaves."""
    engine.podman("stop", "--time", str(GRACE_S), container, deadline_s=2 * GRACE_S)
    return engine.exit_code(container)


def python(engine: Engine, image: str, code: str, options: Sequence[str] = ()) -> str:
    """Run Python in an image, without a shell and without ``csvpipe``."""
    return engine.run(image, "-c", code, options=["--entrypoint", "/app/.venv/bin/python", *options]).strip()


def health_check(engine: Engine, image: str) -> list[str]:
    kind, *command = engine.inspect(image)["Healthcheck"]["Test"]
    assert kind == "CMD", "a shell would be needed"
    return list(command)


@pytest.mark.parametrize("target", ["uploader", "sequencer"])
def test_image_runs_unprivileged_and_stops_on_term(engine: Engine, images: dict[str, str], target: str) -> None:
    config = engine.inspect(images[target])["Config"]
    assert config["User"] == f"{USER}:{USER}"
    assert config["StopSignal"] in {"SIGTERM", "15"}
    assert config["Entrypoint"] == ["csvpipe"]
    assert list(config["Volumes"]) == [HOME]
    assert python(engine, images[target], "import os; print(os.getuid(), os.getgid())") == f"{USER} {USER}"


@pytest.mark.parametrize("target", ["uploader", "sequencer"])
def test_image_has_no_compiler_and_no_installer_of_python_packages(
    engine: Engine, images: dict[str, str], target: str
) -> None:
    code = "import shutil; print([p for p in 'cc gcc ld as strip make pip pip3 uv'.split() if shutil.which(p)])"
    assert python(engine, images[target], code) == "[]"
    code = (
        "from importlib.util import find_spec; print([m for m in ('pip', 'setuptools', 'hatchling') if find_spec(m)])"
    )
    assert python(engine, images[target], code) == "[]"


@pytest.mark.parametrize("target", ["uploader", "sequencer"])
def test_public_authorities_are_trusted(engine: Engine, images: dict[str, str], target: str) -> None:
    """By directory, as OpenSSL looks, and by file, as the library in confluent-kafka does."""
    code = """
import pathlib, ssl
by_directory = [p for p in pathlib.Path(ssl.get_default_verify_paths().openssl_capath).glob("*.0") if p.is_file()]
context = ssl.create_default_context(cafile="/etc/ssl/certs/ca-certificates.crt")
print(len(by_directory) > 100, len(context.get_ca_certs()) > 100)
"""
    assert python(engine, images[target], code) == "True True"


@pytest.mark.parametrize("target", ["uploader", "sequencer"])
def test_secrets_of_the_build_are_not_in_the_image(engine: Engine, images: dict[str, str], target: str) -> None:
    code = "import pathlib; print(list(pathlib.Path('/run').glob('secrets/*')))"
    assert python(engine, images[target], code) == "[]"
    assert "build-env" not in str(engine.inspect(images[target])["Config"])


def test_uploader_is_below_250_mb_on_the_disk(engine: Engine, images: dict[str, str]) -> None:
    assert engine.inspect(images["uploader"])["Size"] < LIMIT_BYTES


def test_sequencer_is_below_250_mb_in_a_registry(engine: Engine, images: dict[str, str]) -> None:
    assert engine.compressed_bytes(images["sequencer"]) < LIMIT_BYTES


def test_only_the_volume_is_writable(engine: Engine, images: dict[str, str], volume: Path) -> None:
    code = """
import pathlib
def refused(folder):
    try:
        (pathlib.Path(folder) / "file").write_text("x")
    except OSError as error:
        return error.strerror
print([refused(folder) for folder in ("/", "/tmp", "/app/.venv", "/var/lib/csvpipe")])
"""
    said = python(engine, images["uploader"], code, [*READ_ONLY, "--volume", f"{volume}:{HOME}"])
    assert said == str(["Read-only file system"] * 3 + [None])
    assert (volume / "file").stat().st_uid == USER


@pytest.mark.parametrize("workers", ["1", "2"])
def test_upload_outlives_its_container(engine: Engine, images: dict[str, str], volume: Path, workers: str) -> None:
    image = images["uploader"]
    with running(engine, image, volume, "serve", "--workers", workers) as (container, client):
        uploaded = upload(client)
        assert uploaded["status"] == "awaiting_kafka"
        before = [path.read_bytes() for path in sorted(volume.rglob("people_chunk_*.csv"))]
        assert before[0].startswith(b"id,name\n1,row 1\n")
        assert b"".join(chunk.removeprefix(b"id,name\n") for chunk in before) == ROWS
        assert stop(engine, container) == 0
    with running(engine, image, volume, "serve", "--workers", workers) as (_, client):
        urls = [f"/chunks/{uploaded['upload_id']}/{chunk}/download" for chunk in range(1, len(before) + 1)]
        assert [client.get(url).content for url in urls] == before
        manifest = client.get(f"/uploads/{uploaded['upload_id']}/manifest").json()
        assert manifest["source_sha256"] == hashlib.sha256(CSV).hexdigest()


def test_term_ends_an_open_upload_and_removes_it(engine: Engine, images: dict[str, str], volume: Path) -> None:
    with (
        running(engine, images["uploader"], volume, "serve", "--grace", "2") as (container, client),
        socket.create_connection((client.base_url.host, client.base_url.port or 0)) as line,
    ):
        line.sendall(BEGUN)
        wait_until(lambda: unfinished(volume), what="the upload is being received", deadline_s=30)
        assert stop(engine, container) == 0
    assert unfinished(volume) == []
    assert list(volume.rglob("people_chunk_*")) == []


def unfinished(volume: Path) -> list[Path]:
    """Return the files of uploads that have not ended."""
    return [path for path in volume.glob(".receiving/**/*") if path.is_file()]


def test_health_check_follows_the_port_of_the_settings(engine: Engine, images: dict[str, str], volume: Path) -> None:
    command = health_check(engine, images["uploader"])
    with running(engine, images["uploader"], volume) as (container, _):
        engine.podman("exec", container, *command)
        with pytest.raises(AssertionError, match="ConnectionRefusedError"):
            engine.podman("exec", "--env", f"API_PORT={free_port()}", container, *command)


@pytest.mark.parametrize("spec", OF_UPLOADER, ids=lambda spec: spec.name)
def test_uploader_has_the_command(engine: Engine, images: dict[str, str], spec: CommandSpec) -> None:
    assert f"csvpipe {spec.name}" in engine.run(images["uploader"], spec.name, "--help")


@pytest.mark.parametrize("command", ["sequence", "verify-topic", "doctor"])
def test_sequencer_has_the_command(engine: Engine, images: dict[str, str], command: str) -> None:
    assert f"csvpipe {command}" in engine.run(images["sequencer"], command, "--help")


def test_commands_of_the_uploader_are_compiled(engine: Engine, images: dict[str, str]) -> None:
    """On a read-only root file system, what is not would be compiled at every start."""
    code = f"""
import pathlib
from importlib.util import cache_from_source, find_spec
modules = {[spec.module for spec in OF_UPLOADER]}
print([module for module in modules if not pathlib.Path(cache_from_source(find_spec(module).origin)).is_file()])
"""
    assert python(engine, images["uploader"], code) == "[]"


def test_uploader_serves_the_page(engine: Engine, images: dict[str, str], volume: Path) -> None:
    with running(engine, images["uploader"], volume) as (_, client):
        index = client.get("/").text
        scripts = re.findall(r'src="\./(assets/[^"]+\.js)"', index)
        assert scripts
        assert [client.get(f"/{script}").status_code for script in scripts] == [200] * len(scripts)


@pytest.mark.parametrize(
    ("target", "command", "extra"), [("uploader", "sequence", "sequencer"), ("sequencer", "serve", "uploader")]
)
def test_command_of_the_other_image_names_the_missing_extra(
    engine: Engine, images: dict[str, str], target: str, command: str, extra: str
) -> None:
    with pytest.raises(AssertionError, match=rf"ended with 78[\s\S]*csvpipe\[{extra}\]"):
        engine.run(images[target], command)


def test_sequencer_reads_its_job_from_the_environment(engine: Engine, images: dict[str, str], volume: Path) -> None:
    (volume / "people.csv").write_bytes(CSV)
    given = {"SOURCE": f"{HOME}/people.csv", "DRY_RUN": "true"}
    options = [word for name, value in given.items() for word in ("--env", f"{name}={value}")]
    said = engine.run(images["sequencer"], options=[*READ_ONLY, "--volume", f"{volume}:{HOME}", *options])
    assert "20,000 records" in said


def test_sequencer_sends_with_the_library_that_the_tests_have(engine: Engine, images: dict[str, str]) -> None:
    code = """
import os
from confluent_kafka import libversion
from sequencer.kafka.native import load_library
library = load_library(os.environ.get("LIBRDKAFKA", ""))
print(library.version() == libversion()[1], libversion()[0])
"""
    assert python(engine, images["sequencer"], code) == f"True {libversion()[0]}"
