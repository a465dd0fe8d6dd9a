"""docs/how-to/kubernetes.md: its commands make what the overlay refers to, and name what is there."""

from __future__ import annotations

import json
import re
import shlex
import sqlite3
from pathlib import Path

import pytest

from tests.support.docs.shell_blocks import shell_blocks
from tests.support.kubernetes.manifests import ROOT, Manifests, load_external_secrets
from uploader.store.store import open_store

PAGE = ROOT / "docs" / "how-to" / "kubernetes.md"
TEXT = PAGE.read_text()
COMMANDS = [
    shlex.split(line)
    for block in shell_blocks(PAGE)
    for line in block.text.replace("\\\n", " ").splitlines()
    if line.strip()
]
SQL = re.findall(r"```sql\n(.*?)```", TEXT, re.DOTALL)
SASL = {"sasl.username", "sasl.password"}
ENCRYPTION = {"encryption", "kms_key_id", "sse_c_key"}
KINDS = {
    "service": "Service",
    "job": "Job",
    "statefulset": "StatefulSet",
}


def by_hand() -> dict[tuple[str, str], dict[str, str]]:
    """Return keys and values by namespace and name of each secret that the page makes."""
    made: dict[tuple[str, str], dict[str, str]] = {}
    for words in COMMANDS:
        if words[3:6] == ["create", "secret", "generic"]:
            options = [word.partition("=")[2].partition("=") for word in words[7:]]
            made[words[2], words[6]] = {key: value for key, _, value in options}
    return made


def from_the_store() -> dict[tuple[str, str], set[str]]:
    """Return the keys of each secret that the operator would make: those of its template, where it has one."""
    made = {}
    for secret in load_external_secrets():
        spec = secret["spec"]
        fetched = [entry["secretKey"] for entry in spec["data"]]
        keys = spec["target"].get("template", {}).get("data", fetched)
        made[secret["metadata"]["namespace"], spec["target"]["name"]] = set(keys)
    return made


def test_secrets_by_hand_are_those_of_the_store() -> None:
    assert {place: set(values) for place, values in by_hand().items()} == from_the_store()


def test_connections_by_hand_say_the_same_as_those_of_the_store() -> None:
    templates = {
        name: re.sub(r"\{\{.*?\}\}", '""', text)
        for secret in load_external_secrets()
        for name, text in secret["spec"]["target"].get("template", {}).get("data", {}).items()
    }
    typed = {name: value for values in by_hand().values() for name, value in values.items() if "AIRFLOW_CONN_" in name}
    assert typed.keys() == {name for name in templates if "AIRFLOW_CONN_" in name}
    for name, value in typed.items():
        assert without_secrets(value) == without_secrets(templates[name])


def without_secrets(connection: str) -> dict[str, object]:
    """Return a connection without what the store has: names, passwords, and the encryption."""
    loaded = json.loads(connection)
    extra = {name: value for name, value in loaded.get("extra", {}).items() if name not in SASL | ENCRYPTION}
    return {name: value for name, value in loaded.items() if name not in {"login", "password"}} | {"extra": extra}


def test_directories_that_are_applied_exist() -> None:
    applied = {words[i + 1] for words in COMMANDS for i, word in enumerate(words) if word == "-k"}
    assert {"k8s/overlays/hanoi", "k8s/overlays/local", "k8s/external-secrets"} <= applied
    assert [path for path in applied if not (ROOT / path / "kustomization.yaml").is_file()] == []


def test_resources_that_commands_name_exist(hanoi: Manifests) -> None:
    named = {match for words in COMMANDS for word in words for match in re.findall(r"^(\w+)/([a-z0-9-]+)$", word)}
    known = {(kind, name) for kind, name in named if kind in KINDS}
    assert known
    for kind, name in known:
        assert hanoi.get(KINDS[kind], name)


@pytest.mark.parametrize("statement", SQL)
def test_statement_runs_on_the_database_of_the_uploader(statement: str, tmp_path: Path) -> None:
    file = tmp_path / "manifest.sqlite3"
    open_store(f"sqlite:///{file}").close()
    with sqlite3.connect(file) as connection:
        connection.execute(statement)
    connection.close()


def test_drain_label_is_the_one_that_the_service_selects(hanoi: Manifests) -> None:
    (words,) = [words for words in COMMANDS if "label" in words]
    name, _, value = words[6].partition("=")
    assert hanoi.get("Service", "fastapi-csv-uploader")["spec"]["selector"][name] != value


def test_every_job_is_waited_for(hanoi: Manifests) -> None:
    (after,) = [words for words in COMMANDS if "wait" in words and "job/csv-nifi-flow" in words]
    assert {word for word in after if word.startswith("job/")} == {
        f"job/{job['metadata']['name']}" for job in hanoi.of("Job")
    }
