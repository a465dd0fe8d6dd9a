"""Terraform's own opinion of ``terraform/``: form, references, the real provider's schema, rules of variables."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from sequencer.settings import JobSettings
from tests.support.terraform.plan import Plan
from tests.support.terraform.program import EXAMPLE, OPTIONS, TERRAFORM, prepared, terraform, terraform_ok

PLANNED_NAMES = {
    *("aws_region", "s3_bucket", "s3_key", "kafka_bootstrap_servers", "kafka_topic", "msk_cluster_arn"),
    *("vpc_id", "subnet_ids", "job_id"),
}
FILES = {"main.tf", "variables.tf", "outputs.tf", "versions.tf", EXAMPLE, "README.md", "deploy.sh"}
MODULES = sorted(path for path in (TERRAFORM / "modules").iterdir() if path.is_dir())
DIRECTORIES = [*MODULES, *(TERRAFORM / option for option in OPTIONS)]
WRONG = {
    "aws_region": "Virginia",
    "s3_bucket": "s3://my-data",
    "s3_key": "/exports/*.csv",
    "kafka_bootstrap_servers": "broker-without-port",
    "kafka_topic": "two words",
    "kafka_partition": "-1",
    "msk_cluster_arn": "arn:aws:kafka:us-east-1:123456789012:topic/example/uuid/rows",
    "vpc_id": "vpc-of-mine",
    "subnet_ids": '["subnet-here"]',
    "job_id": "Big Job",
    "mode": "both",
    "compression": "brotli",
    "on_bad_row": "ignore",
    "s3_kms_key_arn": "alias/mine",
    "kafka_security": "kerberos",
    "kafka_secret_arn": "AmazonMSK_mine",
    "kafka_secret_kms_key_arn": "alias/mine",
    "extra_environment": '{NO_SUCH_SETTING = "1"}',
    "kafka_security_group_id": "default",
    "route_table_ids": '["main"]',
    "alarm_email": "nobody",
    "log_retention_days": "100",
    "cost_per_hour": "-0.1",
    "image_tag": "latest",
    "task_cpu": "1000",
    "task_memory": "100",
    "capacity_provider": "EC2",
    "max_runs": "0",
    "restart_delay_s": "0",
    "instance_type": "c7g.large",
    "other_instance_types": '["c6i.large", "c7g.large"]',
    "runnable_limit_s": "60",
    "container_command": '["sequence; reboot"]',
    "monthly_budget_usd": "-1",
    "job_timeout_s": "1",
}
each_directory = pytest.mark.parametrize("directory", DIRECTORIES, ids=lambda path: path.name)


def variables(directory: Path) -> dict[str, str]:
    """Return the text of each variable's block."""
    text = (directory / "variables.tf").read_text()
    return dict(re.findall(r'^variable "(\w+)" \{\n(.*?)^\}', text, re.MULTILINE | re.DOTALL))


def checked(option: str) -> list[str]:
    return [name for name, text in variables(TERRAFORM / option).items() if "validation {" in text]


def test_files_are_formatted() -> None:
    unformatted = terraform(TERRAFORM, "fmt", "-check", "-recursive")
    assert (unformatted.code, unformatted.out.strip()) == (0, ""), "run: terraform fmt -recursive terraform"


def test_option_is_valid(option: Path) -> None:
    assert "The configuration is valid" in terraform_ok(option, "validate", "-no-color", provider=True).out


@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        ('resource "aws_kms_key" "wrong" {\n  colour = "red"\n}\n', 'An argument named "colour" is not expected'),
        ('resource "aws_sns_topic_policy" "wrong" {\n  arn = "x"\n}\n', 'The argument "policy" is required'),
        ('output "wrong" {\n  value = module.foundation.nothing\n}\n', "Unsupported attribute"),
        ('module "wrong" {\n  source = "../modules/dashboard"\n  nam = "x"\n}\n', "Unsupported argument"),
        (
            'resource "aws_batch_job_queue" "wrong" {\n  name = var.nothing\n}\n',
            "Reference to undeclared input variable",
        ),
    ],
    ids=["attribute", "required", "output", "argument", "variable"],
)
def test_mistake_is_seen(mistake: str, said: str, tmp_path: Path, prepared_option: Callable[[str], Path]) -> None:
    copy = tmp_path / "terraform"
    shutil.copytree(prepared_option(OPTIONS[1]).parent, copy, symlinks=True)
    (copy / OPTIONS[1] / "mistake.tf").write_text(mistake)
    terraform(copy / OPTIONS[1], "init", "-input=false", "-no-color", provider=True)
    found = terraform(copy / OPTIONS[1], "validate", "-no-color", provider=True)
    assert found.code != 0
    assert said in " ".join(found.text.replace("│", " ").split())


def test_example_can_be_planned(example_plan: Plan) -> None:
    assert example_plan.one("aws_dynamodb_table")["name"] == "csvpipe-big-checkpoints"


@pytest.mark.parametrize("option_name", OPTIONS)
def test_option_has_its_files_and_the_names_of_the_plan(option_name: str) -> None:
    directory = TERRAFORM / option_name
    assert {path.name for path in directory.iterdir() if path.is_file()} >= FILES
    of_its_machine = {"instance_type"} if "ec2" in option_name else {"task_cpu", "task_memory"}
    of_its_machine |= {"instance_type"} if "batch" in option_name else set()
    assert set(variables(directory)) >= PLANNED_NAMES | of_its_machine


@pytest.mark.parametrize("option_name", OPTIONS)
def test_example_gives_every_variable_with_its_default(option_name: str) -> None:
    declared = variables(TERRAFORM / option_name)
    example = dict(re.findall(r"^(\w+) += (.*)$", (TERRAFORM / option_name / EXAMPLE).read_text(), re.MULTILINE))
    defaults = {name: re.search(r"^  default +=(.*)$", text, re.MULTILINE) for name, text in declared.items()}
    assert set(example) == set(declared) - {"image_tag"}
    assert {n: v for n, v in example.items() if defaults[n]} == {n: d[1].strip() for n, d in defaults.items() if d}


@pytest.mark.parametrize("option_name", OPTIONS)
def test_wrong_values_are_refused_by_the_name_of_their_variable(option_name: str, tmp_path: Path) -> None:
    shutil.copy(TERRAFORM / option_name / "variables.tf", tmp_path)
    shutil.copy(TERRAFORM / option_name / EXAMPLE, tmp_path)
    terraform_ok(tmp_path, "init", "-input=false")
    asked = ("plan", "-input=false", "-no-color", f"-var-file={EXAMPLE}", "-var=image_tag=0123456789ab")
    terraform_ok(tmp_path, *asked)
    # The same rule once: another test holds the options to each other.
    first = variables(TERRAFORM / OPTIONS[0])
    names = [n for n in checked(option_name) if option_name == OPTIONS[0] or variables(tmp_path)[n] != first.get(n)]
    assert names
    for name in names:
        refused = terraform(tmp_path, *asked, f"-var={name}={WRONG[name]}")
        assert refused.code != 0, name
        assert f"{name} must " in " ".join(refused.text.replace("│", " ").split())


@pytest.mark.parametrize(
    ("task_cpu", "taken", "refused"),
    [
        (1024, (2048, 8192), (1024, 2560, 9216)),
        (2048, (4096, 16384), (3072, 17408)),
        (4096, (8192, 30720), (7168, 31744)),
        (8192, (16384, 61440), (12288, 17408, 65536)),
    ],
)
def test_memory_is_what_fargate_has_for_the_cpu(
    task_cpu: int, taken: tuple[int, ...], refused: tuple[int, ...], tmp_path: Path
) -> None:
    shutil.copy(TERRAFORM / OPTIONS[0] / "variables.tf", tmp_path)
    shutil.copy(TERRAFORM / OPTIONS[0] / EXAMPLE, tmp_path)
    terraform_ok(tmp_path, "init", "-input=false")

    def is_taken(task_memory: int) -> bool:
        given = {"image_tag": "0123456789ab", "task_cpu": task_cpu, "task_memory": task_memory}
        variables = (f"-var={name}={value}" for name, value in given.items())
        planned = terraform(tmp_path, "plan", "-input=false", "-no-color", f"-var-file={EXAMPLE}", *variables)
        assert planned.code == 0 or "task_memory must" in planned.text, planned.text
        return planned.code == 0

    assert [is_taken(task_memory) for task_memory in (*taken, *refused)] == [True] * len(taken) + [False] * len(refused)


@pytest.fixture(scope="module")
def variables_alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The variables of an option without anything that uses them: their rules, in seconds."""
    directory = tmp_path_factory.mktemp("variables")
    shutil.copy(TERRAFORM / OPTIONS[0] / "variables.tf", directory)
    shutil.copy(TERRAFORM / OPTIONS[0] / EXAMPLE, directory)
    terraform_ok(directory, "init", "-input=false")
    return directory


def refusal(directory: Path, **given: str) -> str:
    """Return what Terraform has against some values; empty: nothing."""
    options = (f"-var={name}={value}" for name, value in {"image_tag": "0123456789ab", **given}.items())
    planned = terraform(directory, "plan", "-input=false", "-no-color", f"-var-file={EXAMPLE}", *options)
    return "" if planned.code == 0 else " ".join(planned.text.replace("│", " ").split())


SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:AmazonMSK_writer-AbCdEf"
PORTS = {"iam": (9098, 9198), "tls": (9094, 9194), "scram": (9096, 9196), "plaintext": (9092,)}


@pytest.mark.parametrize("security", PORTS)
@pytest.mark.parametrize("port", sorted(port for ports in PORTS.values() for port in ports))
def test_security_and_port_go_together(variables_alone: Path, security: str, port: int) -> None:
    secret = SECRET if security == "scram" else ""
    # The second broker: a rule that looks at the first alone is none.
    brokers = f"b-1.example:{PORTS[security][0]},b-2.example:{port}"
    said = refusal(variables_alone, kafka_security=security, kafka_bootstrap_servers=brokers, kafka_secret_arn=secret)
    assert ("kafka_security must fit the ports" in said) == (port not in PORTS[security]), said
    assert bool(said) == (port not in PORTS[security]), said


@pytest.mark.parametrize(("security", "port", "secret"), [("scram", 9096, ""), ("iam", 9098, SECRET)])
def test_secret_is_given_for_scram_and_only_there(variables_alone: Path, security: str, port: int, secret: str) -> None:
    given = {"kafka_security": security, "kafka_bootstrap_servers": f"b:{port}", "kafka_secret_arn": secret}
    assert "kafka_secret_arn must be given where kafka_security is scram" in refusal(variables_alone, **given)


@pytest.mark.parametrize(
    "name",
    ["KAFKA_TOPIC", "JOB_ID", "CHECKPOINT_TABLE", "S3_KEY", "KAFKA_PASSWORD", "CREATE_TOPIC", "limit", "NO_SUCH"],
)
def test_extra_environment_takes_no_setting_of_the_module_and_no_unknown_one(variables_alone: Path, name: str) -> None:
    said = refusal(variables_alone, extra_environment=json.dumps({name: "1"}))
    assert "extra_environment must have names of settings that no other variable sets" in said


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LIMIT", "1\n2"),
        ("SOURCE", "big.csv"),
        ("SOURCE", "s3://my-data/a.csv  s3://my-data/b.csv"),
        ("SOURCE", "s3://my-data/*.csv"),
        ("SCHEMA_FILE", "/etc/schema.yaml"),
        ("PARTITIONS", "0"),
        ("PARTITIONS", "1001"),
        ("PARTITIONS", "many"),
    ],
)
def test_extra_environment_takes_no_value_that_cannot_work_here(variables_alone: Path, name: str, value: str) -> None:
    assert "extra_environment must have" in refusal(variables_alone, extra_environment=json.dumps({name: value}))


def test_extra_environment_takes_every_setting_that_the_module_does_not_set(example_plan: Plan) -> None:
    listed = set(re.findall(r'"([A-Z][A-Z_0-9]+)"', variables(TERRAFORM / OPTIONS[0])["extra_environment"]))
    set_here = set(example_plan.environment()) | {"INTERRUPTION_CHECK"}
    secret, without_use = {"KAFKA_USERNAME", "KAFKA_PASSWORD"}, {"CREATE_TOPIC", "CHECKPOINT_FILE"}
    settings = {name.upper() for name in JobSettings.model_fields}
    assert listed == settings - set_here - secret - without_use


@pytest.mark.parametrize("option_name", OPTIONS)
def test_every_variable_of_free_form_has_a_rule(option_name: str) -> None:
    free = [name for name, text in variables(TERRAFORM / option_name).items() if "type        = bool" not in text]
    assert sorted(free) == sorted(checked(option_name))


def test_variables_that_options_share_are_the_same() -> None:
    first, *others = [variables(TERRAFORM / option) for option in OPTIONS]
    shared = {"job_id", *PLANNED_NAMES, *(set(first) & set(others[0]) & set(others[1]) - {"max_runs"})}
    for other in others:
        assert {name: first[name] for name in shared} == {name: other[name] for name in shared}


@each_directory
def test_what_is_declared_is_used(directory: Path) -> None:
    text = "\n".join(path.read_text() for path in directory.glob("*.tf"))
    for name in variables(directory):
        outside = re.sub(rf'^variable "{name}" \{{\n.*?^\}}', "", text, flags=re.MULTILINE | re.DOTALL)
        assert re.search(rf"\bvar\.{name}\b", outside), f"variable {name}"
    for block in re.findall(r"^locals \{\n(.*?)^\}", text, re.MULTILINE | re.DOTALL):
        for name in re.findall(r"^  (\w+) +=", block, re.MULTILINE):
            assert f"local.{name}" in text, f"local {name}"
    for kind, name in re.findall(r'^data "(\w+)" "(\w+)"', text, re.MULTILINE):
        assert f"data.{kind}.{name}" in text, f"data {kind} {name}"


@each_directory
def test_versions_are_the_same_everywhere(directory: Path) -> None:
    assert (directory / "versions.tf").read_text() == (MODULES[0] / "versions.tf").read_text()


@each_directory
def test_everything_is_described(directory: Path) -> None:
    for file in ("variables.tf", "outputs.tf"):
        blocks = re.findall(
            r'^(?:variable|output) "(\w+)" \{\n(.*?)^\}', (directory / file).read_text(), re.MULTILINE | re.DOTALL
        )
        assert [name for name, text in blocks if "  description = " not in text] == []


def test_copy_that_is_tested_is_made_anew(tmp_path: Path) -> None:
    """A ``terraform.tfvars`` of the person who runs the tests has no part in them."""
    assert not (prepared(OPTIONS[0], tmp_path) / "terraform.tfvars").exists()
