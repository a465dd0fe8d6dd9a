"""Both pipelines in the containers of docker-compose.yml, through the ports that they publish: `make e2e-compose`.

Needs an engine, and the profile ``core`` running. Nothing here knows how the containers came up.
"""

from __future__ import annotations

import os
import subprocess
import uuid
from pathlib import Path

import boto3
import pytest
from pydantic_settings import BaseSettings, SettingsConfigDict

ROOT = Path(__file__).resolve().parents[2]
KAFKA = "127.0.0.1:9094"
S3 = "http://127.0.0.1:9000"
ROWS = 200_000
LANDING_S = 900.0


class Credentials(BaseSettings):
    """What docker-compose.yml gives MinIO: the environment, ``.env``, its defaults."""

    model_config = SettingsConfigDict(env_file=ROOT / ".env", env_ignore_empty=True, extra="ignore")

    minio_root_user: str = "csvpipe"
    minio_root_password: str = "csvpipe-local"
    admin_key: str = "csvp_evaladmn_ZXZhbHVhdGlvbi1vbmx5LW5vdC1hLXNlY3JldC0tLS0"


def environment() -> dict[str, str]:
    """Return what the command line needs to reach the containers."""
    credentials = Credentials()
    return {
        "S3_ENDPOINT": S3,
        "AWS_ACCESS_KEY_ID": credentials.minio_root_user,
        "AWS_SECRET_ACCESS_KEY": credentials.minio_root_password,
        "CSVPIPE_URL": "http://127.0.0.1:8000",
        "CSVPIPE_KEY": credentials.admin_key,
    }


def run(*command: str, **given: str) -> str:
    """Run a command in the checkout and return what it printed on stdout."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **environment(), **given},
        capture_output=True,
        text=True,
        timeout=LANDING_S,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "people.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write("id,name\n")
        file.writelines(f'{row},"row {row}\nof many"\n' for row in range(1, ROWS + 1))
    return path


def test_upload_lands_and_is_proven_from_the_bucket(source: Path) -> None:
    options = ["--dataset", "compose", "--chunk-type", "rows", "--chunk-size", "50000"]
    printed = run("csvpipe", "upload", str(source), *options, "--wait", "--timeout", str(LANDING_S))
    upload_id = printed.split()[-1]
    assert "VERIFIED" in run("csvpipe", "verify", upload_id, "--dataset", "compose", "--timeout", "120")


def test_sequencer_sends_an_object_and_the_topic_proves_it(source: Path) -> None:
    job = f"compose-{uuid.uuid4().hex[:8]}"
    reach = environment()
    client = boto3.client(
        "s3",
        endpoint_url=S3,
        region_name="us-east-1",
        aws_access_key_id=reach["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=reach["AWS_SECRET_ACCESS_KEY"],
    )
    client.upload_file(str(source), "raw", f"ordered/{job}.csv")
    uri = f"s3://raw/ordered/{job}.csv"
    command = [
        "docker",
        "compose",
        "--profile",
        "core",
        "--profile",
        "sequencing",
        "run",
        "--rm",
        "--build",
        "sequencer",
    ]
    assert "DONE" in run(*command, SOURCE=uri, KAFKA_TOPIC=job, JOB_ID=job)
    run("csvpipe", "verify-topic", "--bootstrap-servers", KAFKA, "--topic", job, "--source", uri)
