"""The scripts of the three options, run against fakes of aws, docker and terraform."""

from __future__ import annotations

import re
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

from tests.support.docs.shell_blocks import ROOT
from tests.support.terraform.fake_programs import Ended, FakePrograms
from tests.support.terraform.plan import Plan
from tests.support.terraform.program import EXAMPLE, OPTIONS, TERRAFORM, plan, terraform_ok

SCRIPTS = sorted(TERRAFORM.rglob("*.sh"))
REPOSITORY = "123456789012.dkr.ecr.us-east-1.amazonaws.com/csvpipe-big"
BASICS = ("bash", "basename", "dirname", "sed", "cat", "env", "rm")
STARTS = {
    OPTIONS[0]: "aws stepfunctions start-execution --region us-east-1 --state-machine-arn arn:machine",
    OPTIONS[
        1
    ]: "aws batch submit-job --region us-east-1 --job-name big --job-queue queue --job-definition definition:3",
    OPTIONS[2]: "aws autoscaling set-desired-capacity --region us-east-1 --auto-scaling-group-name group "
    "--desired-capacity 1",
}
OUTPUTS = {
    "repository_url": REPOSITORY,
    "aws_region": "us-east-1",
    "state_machine_arn": "arn:machine",
    "job_queue": "queue",
    "job_definition": "definition:3",
    "job_id": "big",
    "autoscaling_group": "group",
    "log_group_name": "/csvpipe/big",
    "checkpoint_table": "csvpipe-big-checkpoints",
}
TARGET = "-target=module.foundation.module.image_repository"
TARGETED_OUTPUTS = {"repository_url"}
"""What Terraform has after the apply of the repository alone."""
NO_OUTPUTS = "\u2577\n\u2502 Warning: No outputs found\n"
"""What ``terraform output`` prints, with exit code 0, where there is none."""
IS_RUNNING = {OPTIONS[0]: "list-executions", OPTIONS[1]: "--job-status RUNNING", OPTIONS[2]: "describe-auto-scaling"}
each_option = pytest.mark.parametrize("option_name", OPTIONS)


def test_shellcheck_finds_nothing() -> None:
    shellcheck = Path(sysconfig.get_path("scripts")) / "shellcheck"
    done = subprocess.run(
        [shellcheck, "--external-sources", *SCRIPTS], cwd=ROOT, capture_output=True, check=False, text=True
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    assert len(SCRIPTS) == 7


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_script_is_strict_or_sourced_by_one_that_is(script: Path) -> None:
    text = script.read_text()
    if script.parent.name == "lib":
        assert text.startswith("# shellcheck shell=bash\n")
    else:
        assert text.startswith("#!/usr/bin/env bash\n")
        assert "\nset -euo pipefail\n" in text


class Checkout:
    """A repository of its own with ``terraform/`` in it, and fakes of what the scripts call."""

    def __init__(self, directory: Path, option: str) -> None:
        self.fakes = FakePrograms(directory / "fakes", "aws", "docker", "terraform")
        self.root = directory / "checkout"
        self.option = self.root / "terraform" / option
        self.applied = 0
        """How often Terraform was applied before: once for the repository alone, once for everything."""
        shutil.copytree(TERRAFORM, self.root / "terraform", ignore=shutil.ignore_patterns(".terraform*", "*.tfvars"))
        shutil.copy(ROOT / ".gitignore", self.root)
        shutil.copy(self.option / "terraform.tfvars.example", self.option / "terraform.tfvars")
        self.git("init", "--quiet")
        self.git("add", "--all")
        self.git("-c", "user.name=a test", "-c", "user.email=test@example.invalid", "commit", "--quiet", "-m", "x")
        self.tag = self.git("rev-parse", "--short=12", "HEAD")
        self.fakes.answer("terraform console", '"big in us-east-1"')
        self.fakes.answer("get-login-password", "a-password")

    def git(self, *arguments: str) -> str:
        argv = ["git", "-C", str(self.root), *arguments]
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()

    def deploy(self, *arguments: str, alone: tuple[str, ...] = ()) -> Ended:
        return self.run("deploy.sh", *arguments, alone=alone)

    def run(self, script: str, *arguments: str, alone: tuple[str, ...] = (), typed: str = "") -> Ended:
        """Run a script of the option, with a Terraform that knows the outputs that the real one would."""
        for name, value in OUTPUTS.items():
            needed = 1 if name in TARGETED_OUTPUTS else 2
            self.fakes.answer(f"output -raw {name}", value, after=("terraform apply", needed - self.applied))
        self.fakes.answer("output -raw", 1, after=("terraform apply", 1 - self.applied))
        self.fakes.answer("output -raw", NO_OUTPUTS)
        return self.fakes.run(self.option / script, *arguments, alone=alone, typed=typed)

    def image_is_new(self) -> None:
        self.fakes.answer("ecr describe-images", 254)

    def nothing_runs(self) -> None:
        for part in ("list-executions", "list-jobs", "describe-auto-scaling-groups"):
            self.fakes.answer(part, "0")


@pytest.fixture
def checkout(request: pytest.FixtureRequest, tmp_path: Path) -> Checkout:
    return Checkout(tmp_path, getattr(request, "param", OPTIONS[0]))


every_checkout = pytest.mark.parametrize("checkout", OPTIONS, indirect=True)


@every_checkout
def test_deployment_makes_repository_then_image_then_everything(checkout: Checkout) -> None:
    checkout.image_is_new()
    ended = checkout.deploy("--yes")
    assert ended.code == 0, ended.err
    image = f"{REPOSITORY}:{checkout.tag}"
    steps = [call for call in checkout.fakes.calls if "output -raw" not in call]
    var = f"-var image_tag={checkout.tag}"
    assert steps == [
        "terraform init -input=false",
        f"terraform plan -input=false {var} -out=deploy.tfplan {TARGET}",
        "terraform apply -input=false deploy.tfplan",
        f"aws ecr describe-images --region us-east-1 --repository-name csvpipe-big --image-ids imageTag={checkout.tag}",
        f"docker build --platform linux/amd64 --target sequencer --tag {image} {checkout.root}",
        *sorted(
            [
                "aws ecr get-login-password --region us-east-1",
                f"docker login --username AWS --password-stdin {REPOSITORY.partition('/')[0]}",
            ],
            key=checkout.fakes.calls.index,  # a pipe: whichever starts first
        ),
        f"docker push {image}",
        f"terraform plan -input=false {var} -out=deploy.tfplan",
        "terraform apply -input=false deploy.tfplan",
    ]
    assert checkout.fakes.passwords == ["a-password"]
    assert not any("a-password" in call for call in checkout.fakes.calls)


def test_outputs_after_the_repository_alone_are_those_of_the_fake(option: Path) -> None:
    made = Plan(plan(option, TARGET))
    assert made.outputs == TARGETED_OUTPUTS
    assert made.one("aws_ecr_repository")["name"] == REPOSITORY.partition("/")[2]


def test_console_expression_returns_job_and_region(option: Path) -> None:
    (question,) = re.findall(r"terraform console .* <<<'(.*)'", (TERRAFORM / "lib" / "deploy.sh").read_text())
    asked = ("console", f"-var-file={EXAMPLE}", "-var=image_tag=0123456789ab")
    assert terraform_ok(option, *asked, provider=True, stdin=question).out == '"big in us-east-1"\n'


@every_checkout
def test_run_starts_the_job_after_the_deployment(checkout: Checkout) -> None:
    checkout.nothing_runs()
    ended = checkout.deploy("--yes", "--run")
    assert ended.code == 0, ended.err
    assert STARTS[checkout.option.name] == [c for c in checkout.fakes.calls if "output -raw" not in c][-1]


@every_checkout
def test_running_job_is_not_started_twice(checkout: Checkout) -> None:
    checkout.fakes.answer(IS_RUNNING[checkout.option.name], "1")
    checkout.nothing_runs()
    ended = checkout.deploy("--yes", "--run")
    assert ended.code == 1
    assert "already" in ended.err
    assert STARTS[checkout.option.name] not in checkout.fakes.calls


@every_checkout
def test_dry_run_prints_what_it_would_do_and_does_nothing(checkout: Checkout) -> None:
    ended = checkout.deploy("--dry-run", "--run")
    assert ended.code == 0, ended.err
    assert checkout.fakes.calls == []
    would = [line.removeprefix("would run: ") for line in ended.out.splitlines()]
    assert [line.split()[:2] for line in would[:3]] == [
        ["terraform", "init"],
        ["terraform", "plan"],
        ["terraform", "apply"],
    ]
    assert f"docker push REPOSITORY:{checkout.tag}" in would


def test_existing_image_is_not_rebuilt(checkout: Checkout) -> None:
    ended = checkout.deploy("--yes")
    assert ended.code == 0, ended.err
    assert checkout.fakes.called("docker") == []
    assert "tags never change" in ended.out


def test_nothing_is_applied_without_an_answer(checkout: Checkout) -> None:
    ended = checkout.deploy()
    assert ended.code == 1
    assert "pass --yes to continue without asking" in ended.err
    assert checkout.fakes.called("apply") == []


@every_checkout
def test_destroy_removes_everything_after_a_confirmation(checkout: Checkout) -> None:
    assert checkout.deploy("--destroy").code == 1
    assert checkout.fakes.called("terraform destroy") == []
    ended = checkout.deploy("--destroy", "--yes")
    assert ended.code == 0, ended.err
    assert checkout.fakes.calls[-1] == f"terraform destroy -input=false -auto-approve -var image_tag={checkout.tag}"
    assert checkout.fakes.called("apply ") == []


@every_checkout
def test_destroy_unlocks_the_table_first(checkout: Checkout) -> None:
    checkout.applied = 2
    asked = checkout.deploy("--destroy")
    assert asked.code == 1
    assert "no answer" in asked.err
    assert checkout.fakes.called("update-table") == checkout.fakes.called("terraform destroy") == []
    ended = checkout.deploy("--destroy", "--yes")
    assert ended.code == 0, ended.err
    unlocked, destroyed = (call for call in checkout.fakes.calls if "update-table" in call or "destroy" in call)
    assert unlocked.startswith(
        "aws dynamodb update-table --region us-east-1 --table-name csvpipe-big-checkpoints --no-deletion-protection"
    )
    assert destroyed.startswith("terraform destroy")


@pytest.mark.parametrize(("typed", "code"), [("big", 0), ("y", 1), ("yes", 1), ("other", 1)])
def test_destroy_asks_for_the_name_of_the_job(checkout: Checkout, typed: str, code: int) -> None:
    checkout.applied = 2
    assert checkout.run("deploy.sh", "--destroy", typed=typed).code == code
    assert len(checkout.fakes.called("terraform destroy")) == (code == 0)


def test_missing_variables_are_named(checkout: Checkout) -> None:
    (checkout.option / "terraform.tfvars").unlink()
    ended = checkout.deploy("--yes")
    assert (ended.code, checkout.fakes.calls) == (1, [])
    assert "terraform.tfvars is missing: copy terraform.tfvars.example" in ended.err


def test_missing_programs_are_named(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path, OPTIONS[0])
    for name in ("aws", "docker"):
        (tmp_path / "fakes" / "bin" / name).unlink()
    ended = checkout.deploy("--yes", alone=(*BASICS, "git"))
    assert (ended.code, checkout.fakes.calls) == (1, [])
    assert "not found: aws docker; install them" in ended.err


def test_uncommitted_changes_stop_the_deployment(checkout: Checkout) -> None:
    (checkout.root / "Dockerfile").write_text("FROM scratch\n")
    ended = checkout.deploy("--yes")
    assert (ended.code, checkout.fakes.calls) == (1, [])
    assert "uncommitted changes" in ended.err


def test_files_of_terraform_are_not_changes(checkout: Checkout) -> None:
    for left in (
        ".terraform/providers/registry.terraform.io/lock",
        ".terraform.lock.hcl",
        "terraform.tfstate",
        "terraform.tfstate.backup",
        "terraform.tfstate.d/other/terraform.tfstate",
        "deploy.tfplan",
    ):
        (checkout.option / left).parent.mkdir(parents=True, exist_ok=True)
        (checkout.option / left).write_text("of one deployment\n")
    ended = checkout.deploy("--yes")
    assert ended.code == 0, ended.err


@every_checkout
@pytest.mark.parametrize("arguments", [("--yes",), ("--destroy", "--yes")])
def test_state_of_another_job_is_not_changed(checkout: Checkout, arguments: tuple[str, ...]) -> None:
    checkout.applied = 1
    checkout.fakes.answer("output -raw repository_url", REPOSITORY.replace("csvpipe-big", "csvpipe-first"))
    ended = checkout.deploy(*arguments)
    assert ended.code == 1
    assert "the state belongs to the job first in us-east-1, but terraform.tfvars describes big in us-east-1" in (
        ended.err
    )
    assert [call for call in checkout.fakes.calls if " plan " in call or " destroy " in call] == []


def test_state_in_another_region_is_not_changed(checkout: Checkout) -> None:
    checkout.applied = 2
    checkout.fakes.answer("output -raw repository_url", REPOSITORY.replace("us-east-1", "eu-west-1"))
    ended = checkout.deploy("--yes")
    assert ended.code == 1
    assert "the state belongs to the job big in eu-west-1" in ended.err


@every_checkout
def test_second_deployment_uses_the_existing_state(checkout: Checkout) -> None:
    checkout.applied = 2
    ended = checkout.deploy("--yes")
    assert ended.code == 0, ended.err
    assert checkout.fakes.called("terraform console") == [f"terraform console -var image_tag={checkout.tag}"]
    assert len(checkout.fakes.called("terraform apply")) == 2


@each_option
def test_unknown_option_shows_the_usage(option_name: str) -> None:
    done = subprocess.run(
        [TERRAFORM / option_name / "deploy.sh", "--fast"], capture_output=True, check=False, text=True
    )
    assert done.returncode == 2
    assert "unknown option --fast" in done.stderr
    assert "usage: deploy.sh" in done.stderr


def test_failed_plan_ends_the_deployment(checkout: Checkout) -> None:
    checkout.fakes.answer("terraform plan", 1)
    assert checkout.deploy("--yes").code != 0
    assert checkout.fakes.called("apply") == []


def test_dockerfile_has_the_image_that_is_built() -> None:
    assert " AS sequencer\n" in (ROOT / "Dockerfile").read_text()


@pytest.mark.parametrize("checkout", [OPTIONS[2]], indirect=True)
def test_launch_without_a_group_names_the_next_step(checkout: Checkout) -> None:
    checkout.applied = 2
    checkout.fakes.answer("describe-auto-scaling-groups", "None")
    ended = checkout.run("launch-spot.sh")
    assert ended.code == 1
    assert "there is no group group in us-east-1; run ./deploy.sh first" in ended.err
    assert checkout.fakes.called("set-desired-capacity") == []


@pytest.mark.parametrize("checkout", [OPTIONS[2]], indirect=True)
def test_launch_before_the_deployment_names_the_next_step(checkout: Checkout) -> None:
    ended = checkout.run("launch-spot.sh")
    assert ended.code == 1
    assert "Terraform has no output autoscaling_group; run ./deploy.sh first" in ended.err
    assert checkout.fakes.called("aws") == []
