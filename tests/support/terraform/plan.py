"""A Terraform plan: resources by type and name, and the statements of policies."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Statement:
    """One statement of a policy; conditions are ``(test, variable, values)``."""

    actions: frozenset[str]
    resources: tuple[str, ...]
    conditions: tuple[tuple[str, str, tuple[str, ...]], ...]


class Plan:
    """A plan as ``terraform show -json`` gives it."""

    def __init__(self, made: dict[str, Any], *, renamed: tuple[str, str] = ("", "")) -> None:
        self._made = made
        self._renamed = renamed

    def renamed(self, old: str, new: str) -> Plan:
        """Return the plan as if ``new`` had been given instead of ``old``, a word that is nothing but that value."""
        made: dict[str, Any] = json.loads(json.dumps(self._made).replace(old, new))
        return Plan(made, renamed=(old, new))

    def all(self, kind: str) -> list[dict[str, Any]]:
        """Return the planned values of all resources of a type."""
        return [each["values"] for each in self._resources() if each["type"] == kind]

    def one(self, kind: str) -> dict[str, Any]:
        """Return those of the only one."""
        (only,) = self.all(kind)
        return only

    @property
    def text(self) -> str:
        """All values that are planned or read, as one text."""
        return json.dumps([self._made["planned_values"], self._made.get("prior_state", {})])

    @property
    def outputs(self) -> set[str]:
        """The names of the outputs that there are once the plan is applied."""
        return set(self._made["planned_values"].get("outputs", {}))

    def statements(self, name: str) -> dict[str, Statement]:
        """Return the statements of the policy documents called ``name``, by their ids."""
        return {each["sid"] or "": _statement(each) for each in self._written(name)}

    def principals(self, name: str) -> dict[str, frozenset[str]]:
        """Return who the statements of those documents are about, by their ids."""
        return {
            each["sid"] or "": frozenset(who for of_kind in each["principals"] for who in of_kind["identifiers"])
            for each in self._written(name)
        }

    def _written(self, name: str) -> list[dict[str, Any]]:
        read = [*_walk(self._made.get("prior_state", {}).get("values", {}).get("root_module", {}))]
        documents = [
            each["values"] for each in read if each["type"] == "aws_iam_policy_document" and each["name"] == name
        ]
        documents += [
            each["change"]["after"]
            for each in self._made["resource_changes"]
            if each["mode"] == "data" and each["type"] == "aws_iam_policy_document" and each["name"] == name
        ]
        found = [each for document in documents for each in document["statement"]]
        assert found, f"there is no policy document called {name}"
        return found

    def environment(self) -> dict[str, str]:
        """Return the environment of the job's container, whatever starts it."""
        if tasks := self.all("aws_ecs_task_definition"):
            (container,) = json.loads(tasks[0]["container_definitions"])
            return _by_name(container["environment"])
        if jobs := self.all("aws_batch_job_definition"):
            return _by_name(json.loads(jobs[0]["container_properties"])["environment"])
        lines = self.user_data().split("<<'JOB_ENV'\n", 1)[1].split("\nJOB_ENV\n", 1)[0].splitlines()
        return dict(line.split("=", 1) for line in lines)

    def secrets(self) -> dict[str, str]:
        """Return which settings of the container are fetched from where when it starts."""
        if tasks := self.all("aws_ecs_task_definition"):
            (container,) = json.loads(tasks[0]["container_definitions"])
        else:
            container = json.loads(self.one("aws_batch_job_definition")["container_properties"])
        return {each["name"]: each["valueFrom"] for each in container["secrets"]}

    def user_data(self) -> str:
        """Return what the machine runs at its start."""
        (template,) = self.all("aws_launch_template")
        text = base64.b64decode(template["user_data"]).decode()
        old, new = self._renamed
        return text.replace(old, new) if old else text

    def _resources(self) -> Iterator[dict[str, Any]]:
        return _walk(self._made["planned_values"]["root_module"])


def _walk(module: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from module.get("resources", ())
    for child in module.get("child_modules", ()):
        yield from _walk(child)


def _statement(written: dict[str, Any]) -> Statement:
    conditions = tuple((c["test"], c["variable"], tuple(c["values"])) for c in written["condition"] or ())
    return Statement(frozenset(written["actions"]), tuple(written["resources"] or ()), conditions)


def _by_name(pairs: list[dict[str, str]]) -> dict[str, str]:
    return {pair["name"]: pair["value"] for pair in pairs}
