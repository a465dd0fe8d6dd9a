"""The wheel, installed without extras into an environment of its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from contracts.exit_codes import ExitCode
from contracts.names import manifest_key
from csvpipe.app import COMMANDS
from tests.support.docs.shell_blocks import ROOT
from tests.support.s3 import fake_bucket
from tests.support.s3.fake_gateway import Answer, Asked, fake_s3_gateway
from tests.support.uploader.fake_uploader import UPLOAD_ID, run_fake_uploader, status_document

PAGE = "uploader/page/index.html"
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("wheel")
    subprocess.run(["make", "--silent", PAGE], cwd=ROOT, check=True)  # quick if it is built already
    uv = shutil.which("uv") or str(ROOT / ".stack" / "tools" / "bin" / "uv")
    venv = directory / "venv"
    subprocess.run([uv, "build", "--quiet", "--wheel", "--out-dir", directory, ROOT], check=True)
    subprocess.run([uv, "venv", "--quiet", venv], check=True)
    [wheel] = directory.glob("*.whl")
    subprocess.run([uv, "pip", "install", "--quiet", "--python", venv / "bin" / "python", wheel], check=True)
    return venv


@pytest.fixture
def run(environment: Path, tmp_path: Path) -> Run:
    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        given = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), **variables}
        return subprocess.run(
            [environment / "bin" / "csvpipe", *arguments],
            env=given,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    return run


def test_base_install_uploads_and_shows_the_status(run: Run, tmp_path: Path) -> None:
    content = b"id\n1\n"
    (tmp_path / "flights.csv").write_bytes(content)
    with run_fake_uploader() as fake:
        fake.accept(content)
        uploaded = run("upload", "flights.csv", "--dataset", "flights", CSVPIPE_URL=fake.url)
        assert (uploaded.returncode, UPLOAD_ID in uploaded.stdout + uploaded.stderr) == (ExitCode.OK, True)
        fake.statuses = [status_document("landed", landed=1)]
        assert run("status", UPLOAD_ID, CSVPIPE_URL=fake.url).returncode == ExitCode.OK


def test_base_install_lists_uploads(run: Run) -> None:
    listed = run("list", CSVPIPE_URL="http://127.0.0.1:9")
    assert (listed.returncode, "[service_unreachable]" in listed.stderr) == (ExitCode.UNAVAILABLE, True)


def test_base_install_verifies_an_upload(run: Run) -> None:
    manifest, bucket = fake_bucket.lay_out("id,name\n", [["1,a\n"], ["2,b\n", "3,c\n"]])
    key = manifest_key(manifest.dataset_name, manifest.upload_id)
    objects = {**bucket.objects, key: manifest.model_dump_json().encode()}

    def add_metadata(asked: Asked, answer: Answer) -> Answer:
        metadata = {f"x-amz-meta-{name}": value for name, value in bucket.metadata.get(asked.key, {}).items()}
        return replace(answer, headers={**answer.headers, **metadata})

    with fake_s3_gateway(objects, add_metadata) as gateway:
        verified = run(
            *("verify", manifest.upload_id, "--dataset", manifest.dataset_name),
            S3_ENDPOINT=gateway.url,
            S3_BUCKET="b",
            AWS_ACCESS_KEY_ID="a",
            AWS_SECRET_ACCESS_KEY="b",
        )
    assert (verified.returncode, "3 rows" in verified.stdout) == (ExitCode.OK, True), verified.stderr


@pytest.mark.parametrize("spec", [spec for spec in COMMANDS if spec.extra], ids=lambda spec: spec.name)
def test_command_of_an_extra_names_it(spec: object, run: Run) -> None:
    name, extra, in_checkout = (getattr(spec, field) for field in ("name", "extra", "in_checkout"))
    ended = run(name)
    assert ended.returncode == ExitCode.CONFIGURATION
    assert ("[no_checkout]" if in_checkout else f"csvpipe[{extra}]") in ended.stderr


def test_wheel_leaves_the_name_dags_to_others(environment: Path) -> None:
    packages = {path.name for path in (environment / "lib").glob("python*/site-packages/*")}
    assert "dags" not in packages
    assert {"csvpipe", "contracts", "telemetry"} <= packages


def test_wheel_has_the_page(environment: Path) -> None:
    [index] = (environment / "lib").glob(f"python*/site-packages/{PAGE}")
    named = re.findall(r'(?:src|href)="\./(assets/[^"]+)"', index.read_text())
    assert {name.rpartition(".")[2] for name in named} == {"js", "css", "svg"}
    assert all((index.parent / name).is_file() for name in named)
    assert "## preact" in (index.parent / "licenses.md").read_text()
