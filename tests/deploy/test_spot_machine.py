"""user-data.sh against fakes of docker, aws, curl and shutdown: what becomes of the group, by how the job ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.terraform.fake_programs import Ended, FakePrograms
from tests.support.terraform.program import OPTIONS, TERRAFORM

SCRIPT = TERRAFORM / OPTIONS[2] / "user-data.sh"
HOST = """
AWS_REGION='us-east-1'
JOB_ID='big'
IMAGE='123456789012.dkr.ecr.us-east-1.amazonaws.com/csvpipe-big:0123456789ab'
LOG_GROUP='/csvpipe/big'
GROUP='csvpipe-big'
MAX_RUNS='3'
KAFKA_SECRET_ARN='{secret}'
JOB_TIMEOUT_S='{timeout_s}'
COMMAND='{command}'
"""
SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:AmazonMSK_writer-AbCdEf"
NONE = "set-desired-capacity --auto-scaling-group-name csvpipe-big --desired-capacity 0"
NOTICE = '{"action": "terminate", "time": "2026-01-31T23:59:59Z"}'
NOT_FOUND = 22


class FakeMachine:
    """A machine whose container runs for two looks, and ends with one exit code after the other."""

    def __init__(
        self, directory: Path, *exit_codes: int, notice: tuple[str | int, ...] = (NOT_FOUND,), **host: str
    ) -> None:
        names = ("aws", "curl", "dnf", "docker", "shutdown", "systemctl")
        self.fakes = FakePrograms(directory / "fakes", *names)
        self._config = directory / "csvpipe"
        self._config.mkdir()
        self.secrets = directory / "secrets.env"
        (self._config / "host.env").write_text(
            HOST.format(**{"secret": "", "timeout_s": "86400", "command": "sequence", **host})
        )
        (self._config / "job.env").write_text("JOB_ID=big\n")
        self.fakes.answer("api/token", "a-token")
        self.fakes.answer("instance-id", "i-0fake")
        self.fakes.answer("spot/instance-action", *notice)
        self.fakes.answer("get-login-password", "a-password")
        self.fakes.answer("{{.State.Running}}", *(["true", "true", "false"] * len(exit_codes)))
        self.fakes.answer("{{.State.ExitCode}}", *map(str, exit_codes))

    def start(self) -> Ended:
        return self.fakes.run(
            SCRIPT,
            CSVPIPE_CONFIG_DIR=str(self._config),
            CSVPIPE_SECRETS=str(self.secrets),
            CSVPIPE_POLL_S="0",
            CSVPIPE_PAUSE_S="0",
        )

    @property
    def log(self) -> str:
        return "\n".join(self.fakes.called("put-log-events"))

    @property
    def runs(self) -> int:
        return len(self.fakes.called("docker run"))


def test_done_job_ends_its_group_and_its_machine(tmp_path: Path) -> None:
    machine = FakeMachine(tmp_path, 0)
    ended = machine.start()
    assert ended.code == 0, ended.err
    assert "fake docker" in ended.err
    assert machine.runs == 1
    assert len(machine.fakes.called(NONE)) == 1
    assert "job big is done" in machine.log
    assert "NEEDS A PERSON" not in machine.log
    assert machine.fakes.calls[-1] == "shutdown -h now"


def test_exit_code_75_is_retried_until_the_job_is_done(tmp_path: Path) -> None:
    machine = FakeMachine(tmp_path, 75, 75, 0)
    assert machine.start().code == 0
    assert machine.runs == 3
    assert "ended with exit code 75 in run 2 of 3; restarting" in machine.log
    assert len(machine.fakes.called(NONE)) == 1
    assert "job big is done" in machine.log


def test_repeated_75_finally_needs_a_person(tmp_path: Path) -> None:
    machine = FakeMachine(tmp_path, 75)
    machine.fakes.answer("unused")
    assert machine.start().code == 0
    assert machine.runs == 3
    assert "NEEDS A PERSON: job big was started 3 times and is not done; last exit code 75" in machine.log
    assert machine.fakes.calls[-1] == "shutdown -h now"


@pytest.mark.parametrize("code", [1, 64, 65, 66, 70, 73, 74, 76, 77, 78, 125])
def test_permanent_failure_is_not_retried(tmp_path: Path, code: int) -> None:
    machine = FakeMachine(tmp_path, code)
    assert machine.start().code == 0
    assert machine.runs == 1
    assert f"NEEDS A PERSON: job big ended with exit code {code} (docs/how-to/sequencer.md)" in machine.log
    assert len(machine.fakes.called(NONE)) == 1
    assert machine.fakes.calls[-1] == "shutdown -h now"


@pytest.mark.parametrize("code", [137, 139])
def test_killed_container_is_restarted(tmp_path: Path, code: int) -> None:
    machine = FakeMachine(tmp_path, code, 0)
    assert machine.start().code == 0
    assert machine.runs == 2
    assert "job big is done" in machine.log


def test_spot_notice_stops_the_container_in_time_and_leaves_the_group(tmp_path: Path) -> None:
    machine = FakeMachine(tmp_path, 75, notice=(NOT_FOUND, NOTICE))
    assert machine.start().code == 0
    assert machine.fakes.called("docker stop") == ["docker stop --time 100 csvpipe-sequencer"]
    assert machine.runs == 1
    assert machine.fakes.called("set-desired-capacity") == []
    assert "the next machine of csvpipe-big resumes it" in machine.log
    assert machine.fakes.calls[-1] == "shutdown -h now"


def test_job_done_despite_the_notice_ends_the_group(tmp_path: Path) -> None:
    machine = FakeMachine(tmp_path, 0, notice=(NOTICE,))
    assert machine.start().code == 0
    assert len(machine.fakes.called(NONE)) == 1


def test_image_that_cannot_be_pulled_needs_a_person(tmp_path: Path) -> None:
    machine = FakeMachine(tmp_path, 0)
    machine.fakes.answer("docker pull", 1)
    assert machine.start().code == 0
    assert len(machine.fakes.called("docker pull")) == 5
    assert machine.runs == 0
    assert "NEEDS A PERSON: Docker or the image" in machine.log
    assert len(machine.fakes.called(NONE)) == 1


def test_container_that_cannot_be_started_needs_a_person(tmp_path: Path) -> None:
    machine = FakeMachine(tmp_path, 0)
    machine.fakes.answer("docker run", 125)
    assert machine.start().code == 0
    assert "NEEDS A PERSON: the startup script failed" in machine.log
    assert len(machine.fakes.called(NONE)) == 1
    assert machine.fakes.calls[-1] == "shutdown -h now"


def test_group_that_cannot_be_ended_is_retried_and_then_reported(tmp_path: Path) -> None:
    machine = FakeMachine(tmp_path, 0)
    machine.fakes.answer("set-desired-capacity", 1)
    assert machine.start().code == 0
    assert len(machine.fakes.called(NONE)) == 5
    assert "NEEDS A PERSON: group csvpipe-big could not be set to 0" in machine.log
    assert machine.fakes.calls[-1] == "shutdown -h now"


def test_container_has_no_permissions_on_the_machine(tmp_path: Path) -> None:
    machine = FakeMachine(tmp_path, 0)
    machine.start()
    (run,) = machine.fakes.called("docker run")
    for option in ("--read-only", "--cap-drop ALL", "--security-opt no-new-privileges", "--env-file"):
        assert option in run
    assert run.endswith("csvpipe-big:0123456789ab sequence")
    assert machine.fakes.passwords == ["a-password"]


def test_password_is_read_from_the_secret_before_each_run(tmp_path: Path) -> None:
    machine = FakeMachine(tmp_path, 75, 0, secret=SECRET)
    first, second = (json.dumps({"username": "writer", "password": word}) for word in ("a $'\"b", "rotated"))
    machine.fakes.answer("secretsmanager get-secret-value", first, second)
    assert machine.start().code == 0
    assert machine.secrets.read_text() == "KAFKA_USERNAME=writer\nKAFKA_PASSWORD=rotated\n"
    assert machine.secrets.stat().st_mode & 0o777 == 0o600
    (fetched, *_) = machine.fakes.called("get-secret-value")
    assert f"--secret-id {SECRET}" in fetched
    assert all(f"--env-file {machine.secrets}" in run for run in machine.fakes.called("docker run"))
    assert "rotated" not in machine.log


def test_secret_that_cannot_be_read_needs_a_person(tmp_path: Path) -> None:
    machine = FakeMachine(tmp_path, 0, secret=SECRET)
    machine.fakes.answer("secretsmanager get-secret-value", 254)
    assert machine.start().code == 0
    assert machine.runs == 0
    assert f"NEEDS A PERSON: the secret {SECRET} could not be read" in machine.log
    assert len(machine.fakes.called(NONE)) == 1


def test_no_secret_is_read_without_an_arn(tmp_path: Path) -> None:
    machine = FakeMachine(tmp_path, 0)
    machine.start()
    assert machine.fakes.called("secretsmanager") == []
    assert machine.secrets.read_text() == ""


def test_job_over_its_time_limit_is_stopped_and_needs_a_person(tmp_path: Path) -> None:
    machine = FakeMachine(tmp_path, 75, timeout_s="0")
    assert machine.start().code == 0
    assert machine.fakes.called("docker stop") == ["docker stop --time 100 csvpipe-sequencer"]
    assert machine.runs == 1
    assert "NEEDS A PERSON: job big is not done after 0 s" in machine.log
    assert len(machine.fakes.called(NONE)) == 1


def test_machine_runs_the_configured_command(tmp_path: Path) -> None:
    machine = FakeMachine(tmp_path, 1, command="verify-topic --source s3://my-data/exports/big.csv")
    machine.start()
    (run,) = machine.fakes.called("docker run")
    assert run.endswith("csvpipe-big:0123456789ab verify-topic --source s3://my-data/exports/big.csv")
    assert "NEEDS A PERSON: job big ended with exit code 1" in machine.log
