"""Terraform's own opinion of ``terraform/``: form, references, the real provider's schema, rules of variables."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sequencer.settings import JobSettings
from tests.support.terraform.plan import Plan
from tests.support.terraform.program import EXAMPLE, OPTIONS, TERRAFORM, example, prepared, terraform, terraform_ok

PLANNED_NAMES = {
    *("aws_region", "s3_bucket", "s3_key", "kafka_bootstrap_servers", "kafka_topic", "msk_cluster_arn"),
    *("vpc_id", "subnet_ids", "job_id"),
}
FILES = {"main.tf", "variables.tf", "outputs.tf", "versions.tf", EXAMPLE, "README.md", "deploy.sh"}
MODULES = sorted(path for path in (TERRAFORM / "modules").iterdir() if path.is_dir())
DIRECTORIES = [*MODULES, *(TERRAFORM / option for option in OPTIONS)]
SHARED = TERRAFORM / "modules" / "foundation"
OBJECTS = ("job", "network", "monitoring")
WRONG_ATTRIBUTES: dict[str, dict[str, Any]] = {
    "job": {
        "s3_bucket": "s3://my-data",
        "s3_key": "/exports/*.csv",
        "kafka_bootstrap_servers": "broker-without-port",
        "kafka_topic": "two words",
        "kafka_partition": -1,
        "msk_cluster_arn": "arn:aws:kafka:us-east-1:123456789012:topic/example/uuid/rows",
        "job_id": "Big Job",
        "mode": "both",
        "compression": "brotli",
        "on_bad_row": "ignore",
        "s3_kms_key_arn": "alias/mine",
        "kafka_security": "kerberos",
        "kafka_secret_arn": "AmazonMSK_mine",
        "kafka_secret_kms_key_arn": "alias/mine",
        "extra_environment": {"NO_SUCH_SETTING": "1"},
        "cost_per_hour": -0.1,
    },
    "network": {
        "vpc_id": "vpc-of-mine",
        "subnet_ids": ["subnet-here"],
        "kafka_security_group_id": "default",
        "route_table_ids": ["main"],
    },
    "monitoring": {"alarm_email": "nobody", "log_retention_days": 100, "monthly_budget_usd": -1},
}
WRONG = {
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
    "job_timeout_s": "1",
}
each_directory = pytest.mark.parametrize("directory", DIRECTORIES, ids=lambda path: path.name)


def variables(directory: Path) -> dict[str, str]:
    """Return the text of each variable's block."""
    text = (directory / "variables.tf").read_text()
    return dict(re.findall(r'^variable "(\w+)" \{\n(.*?)^\}', text, re.MULTILINE | re.DOTALL))


def attributes(name: str) -> dict[str, str | None]:
    """Return the attributes of an object that the options share, with their defaults as they are written."""
    declared = re.search(r"object\(\{\n(.*?)^  \}\)", variables(SHARED)[name], re.MULTILINE | re.DOTALL)
    assert declared
    lines = re.findall(r"^    (\w+) += (.*)$", declared[1], re.MULTILINE)
    defaults = {attribute: re.fullmatch(r"optional\(.*, (\S+)\)", kind) for attribute, kind in lines}
    return {attribute: found[1] if found else None for attribute, found in defaults.items()}


def checked(option: str) -> list[str]:
    return [name for name, text in variables(TERRAFORM / option).items() if "validation {" in text]


def test_files_are_formatted() -> None:
    unformatted = terraform(TERRAFORM, "fmt", "-check", "-recursive")
    assert (unformatted.code, unformatted.out.strip()) == (0, ""), "run: terraform fmt -recursive terraform"


def test_option_is_valid(option: Path) -> None:
    assert "The configuration is valid" in terraform_ok(option, "validate", "-no-color", provider=True).out


def test_unknown_aws_argument_is_detected(tmp_path: Path, prepared_option: Callable[[str], Path]) -> None:
    """The fake provider has the schema of the real one."""
    copy = tmp_path / "terraform"
    shutil.copytree(prepared_option(OPTIONS[1]).parent, copy, symlinks=True)
    (copy / OPTIONS[1] / "mistake.tf").write_text('resource "aws_kms_key" "wrong" {\n  colour = "red"\n}\n')
    found = terraform(copy / OPTIONS[1], "validate", "-no-color", provider=True)
    assert found.code != 0
    assert 'An argument named "colour" is not expected' in " ".join(found.text.replace("│", " ").split())


def test_example_can_be_planned(example_plan: Plan) -> None:
    assert example_plan.one("aws_dynamodb_table")["name"] == "csvpipe-big-checkpoints"


@pytest.mark.parametrize("option_name", OPTIONS)
def test_option_has_its_files_and_the_names_of_the_plan(option_name: str) -> None:
    directory = TERRAFORM / option_name
    assert {path.name for path in directory.iterdir() if path.is_file()} >= FILES
    of_its_machine = {"instance_type"} if "ec2" in option_name else {"task_cpu", "task_memory"}
    of_its_machine |= {"instance_type"} if "batch" in option_name else set()
    names = {*variables(directory), *(attribute for name in OBJECTS for attribute in attributes(name))}
    assert names >= PLANNED_NAMES | of_its_machine


@pytest.mark.parametrize("option_name", OPTIONS)
def test_example_gives_every_variable_with_its_default(option_name: str) -> None:
    declared = variables(TERRAFORM / option_name)
    given = example(option_name)
    assert set(given) == set(declared) - {"image_tag"}
    for name, text in declared.items():
        default = re.search(r"^  default +=(.*)$", text, re.MULTILINE)
        if default and name not in OBJECTS:
            assert given[name] == json.loads(default[1])
    for name in OBJECTS:
        defaults = attributes(name)
        assert set(given[name]) == set(defaults)
        assert {n: given[name][n] for n, d in defaults.items() if d} == {
            n: json.loads(d) for n, d in defaults.items() if d
        }


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
def test_memory_must_be_a_value_that_fargate_offers(
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
def shared_variables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The variables that the options share without anything that uses them: their rules, in seconds."""
    directory = tmp_path_factory.mktemp("variables")
    shutil.copy(SHARED / "variables.tf", directory)
    terraform_ok(directory, "init", "-input=false")
    return directory


def refusal(directory: Path, **given: Any) -> str:
    """Return what Terraform has against the example with some attributes changed, or nothing.

    A name that the example does not have is an attribute of ``job``.
    """
    values = example(OPTIONS[0])
    for name, value in given.items():
        (owner,) = [each for each in OBJECTS if name in values[each]] or ["job"]
        values[owner] = {**values[owner], name: value}
    shared = {
        **{name: values[name] for name in ("aws_region", *OBJECTS)},
        "given": {name: list(values[name]) for name in OBJECTS},
        "runs_on": "container",
        "interface_endpoints": [],
    }
    (directory / "given.tfvars.json").write_text(json.dumps(shared))
    planned = terraform(directory, "plan", "-input=false", "-no-color", "-var-file=given.tfvars.json")
    return "" if planned.code == 0 else " ".join(planned.text.replace("│", " ").split())


def test_example_is_accepted(shared_variables: Path) -> None:
    assert refusal(shared_variables) == ""


@pytest.mark.parametrize("owner", OBJECTS)
def test_wrong_attributes_are_refused_by_their_names(shared_variables: Path, owner: str) -> None:
    for name, value in WRONG_ATTRIBUTES[owner].items():
        assert f"{owner}.{name} must " in refusal(shared_variables, **{name: value})


def test_unknown_attribute_is_refused(shared_variables: Path) -> None:
    assert "job must not have unknown attributes: compresion." in refusal(shared_variables, compresion="none")


SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:AmazonMSK_writer-AbCdEf"
PORTS = {"iam": (9098, 9198), "tls": (9094, 9194), "scram": (9096, 9196), "plaintext": (9092,)}


@pytest.mark.parametrize("security", PORTS)
@pytest.mark.parametrize("port", sorted(port for ports in PORTS.values() for port in ports))
def test_security_and_port_go_together(shared_variables: Path, security: str, port: int) -> None:
    secret = SECRET if security == "scram" else ""
    # The second broker: a rule that looks at the first alone is none.
    brokers = f"b-1.example:{PORTS[security][0]},b-2.example:{port}"
    said = refusal(shared_variables, kafka_security=security, kafka_bootstrap_servers=brokers, kafka_secret_arn=secret)
    assert ("job.kafka_security must fit the ports" in said) == (port not in PORTS[security]), said
    assert bool(said) == (port not in PORTS[security]), said


@pytest.mark.parametrize(("security", "port", "secret"), [("scram", 9096, ""), ("iam", 9098, SECRET)])
def test_secret_is_required_for_scram_only(shared_variables: Path, security: str, port: int, secret: str) -> None:
    given = {"kafka_security": security, "kafka_bootstrap_servers": f"b:{port}", "kafka_secret_arn": secret}
    assert "job.kafka_secret_arn must be given if job.kafka_security is scram" in refusal(shared_variables, **given)


@pytest.mark.parametrize(
    "name",
    ["KAFKA_TOPIC", "JOB_ID", "CHECKPOINT_TABLE", "S3_KEY", "KAFKA_PASSWORD", "CREATE_TOPIC", "limit", "NO_SUCH"],
)
def test_extra_environment_refuses_settings_of_the_module_and_unknown_ones(shared_variables: Path, name: str) -> None:
    said = refusal(shared_variables, extra_environment={name: "1"})
    assert "job.extra_environment must have names of settings that no other attribute sets" in said


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
def test_extra_environment_refuses_values_that_cannot_work(shared_variables: Path, name: str, value: str) -> None:
    assert "extra_environment must have" in refusal(shared_variables, extra_environment={name: value})


def test_extra_environment_accepts_every_setting_without_an_attribute(example_plan: Plan) -> None:
    listed = set(re.findall(r'"([A-Z][A-Z_0-9]+)"', variables(SHARED)["job"].partition("validation {")[2]))
    set_here = set(example_plan.environment()) | {"INTERRUPTION_CHECK"}
    secret, without_use = {"KAFKA_USERNAME", "KAFKA_PASSWORD"}, {"CREATE_TOPIC", "CHECKPOINT_FILE"}
    settings = {name.upper() for name in JobSettings.model_fields}
    assert listed == settings - set_here - secret - without_use


@pytest.mark.parametrize("option_name", OPTIONS)
def test_every_variable_of_free_form_has_a_rule(option_name: str) -> None:
    elsewhere = {*OBJECTS, "aws_region"}
    declared = {name: text for name, text in variables(TERRAFORM / option_name).items() if name not in elsewhere}
    free = [name for name, text in declared.items() if "type        = bool" not in text]
    assert sorted(free) == sorted(checked(option_name))


@pytest.mark.parametrize("owner", OBJECTS)
def test_every_attribute_of_free_form_has_a_rule(owner: str) -> None:
    free = {name for name, default in attributes(owner).items() if default not in {"true", "false"}}
    assert free == set(re.findall(rf'error_message = "{owner}\.(\w+) must', variables(SHARED)[owner]))
    assert free == set(WRONG_ATTRIBUTES[owner])


@pytest.mark.parametrize("owner", OBJECTS)
def test_every_attribute_is_described_and_used(owner: str) -> None:
    described = variables(SHARED)[owner].partition("TEXT\n")[2].partition("TEXT\n")[0]
    used = (SHARED / "main.tf").read_text()
    for name in attributes(owner):
        assert f"`{name}`" in described
        assert re.search(rf"\bvar\.{owner}\.{name}\b", used), name


def test_variables_that_options_share_are_the_same() -> None:
    first, *others = [variables(TERRAFORM / option) for option in OPTIONS]
    shared = set(first) & set(others[0]) & set(others[1]) - {"max_runs"}
    assert shared >= {*OBJECTS, "aws_region", "image_tag", "job_timeout_s"}
    for other in others:
        assert {name: first[name] for name in shared} == {name: other[name] for name in shared}


@each_directory
def test_declarations_are_used(directory: Path) -> None:
    text = "\n".join(path.read_text() for path in directory.glob("*.tf"))
    for name in variables(directory):
        outside = re.sub(rf'^variable "{name}" \{{\n.*?^\}}', "", text, flags=re.MULTILINE | re.DOTALL)
        assert name == "given" or re.search(rf"\bvar\.{name}\b", outside), f"variable {name}"
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


def test_tested_copy_leaves_out_local_variables(tmp_path: Path) -> None:
    """A ``terraform.tfvars`` of the person who runs the tests has no part in them."""
    assert not (prepared(OPTIONS[0], tmp_path) / "terraform.tfvars").exists()
