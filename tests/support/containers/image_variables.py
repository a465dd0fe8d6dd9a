"""Environment variables that are read in a container, by the image's script or by the program that it starts."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from airflow.configuration import conf
from psycopg.pq import Conninfo

from csvpipe.settings import ClientSettings
from dags.modules.settings import Settings as DagSettings
from nifi.connection import Access
from nifi.environment import environment_names, load_environment
from sequencer.settings import JobSettings
from stack.components.kafka import kafka_command
from stack.local import LocalStack
from stack.versions import version
from tests.support.docs.shell_blocks import ROOT
from uploader.settings import Settings

IMAGES = ROOT / "docker" / "images"
OF_EVERY_PROCESS = frozenset({"HOME", "PATH", "POD_NAMESPACE"})
"""Read by the C library or the shell; POD_NAMESPACE by Kubernetes, where it is part of another value."""
_BOTO3 = frozenset({"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"})
_LIBPQ = frozenset(option.envvar.decode() for option in Conninfo.get_defaults() if option.envvar)
_BUILT_ON = {"csvpipe-airflow": "airflow", "csvpipe-nifi": "nifi"}
Facts = Mapping[str, Any]


@dataclass(frozen=True)
class Readers:
    """The programs of others that say themselves what they read: where they are, and Kafka's list of properties."""

    dist: Path
    kafka_properties: frozenset[str]

    @classmethod
    def of(cls, stack: LocalStack) -> Readers:
        """Ask the programs of the local stack, which are built first where they are missing."""
        stack.prepare(["kafka", "minio"])
        command = kafka_command(stack.context, "kafka.server.KafkaConfig")
        listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        names = frozenset(re.findall(r'id="brokerconfigs_([^"]+)"', listed))
        assert "log.dirs" in names, listed[:2000]
        return cls(stack.context.dist, names)


@cache
def facts() -> dict[str, Facts]:
    """Return what ``docker/images`` says, by file name."""
    return {file.stem: yaml.safe_load(file.read_text()) for file in sorted(IMAGES.glob("*.yaml"))}


def facts_of(image: str) -> Facts | None:
    """Return the facts of an image with its tag, or None if it is ours.

    Raises:
        LookupError: there is no file for it, or it is for another tag.
    """
    name, _, tag = image.rpartition(":")
    if name.rpartition("/")[2] in {"csvpipe-uploader", "csvpipe-sequencer"}:
        return None
    built_on = _BUILT_ON.get(name.rpartition("/")[2])
    for stem, known in facts().items():
        same = known["image"].rpartition("/")[2] == name.rpartition("/")[2]  # another registry may hold a copy
        if (stem == built_on or same) and known["tag"] == tag:
            return known
    raise LookupError(f"docker/images has no file for {image}: list there what its script reads")


def unread(image: str, given: Collection[str], *, readers: Readers, script: str = "") -> set[str]:
    """Return the variables of ``given`` that nothing in a container of ``image`` reads.

    ``script`` is what runs instead of the image's own, where there is such a thing.
    """
    known = facts_of(image)
    named = {name for name in given if re.search(rf"\$\{{?{name}\b", script)} | OF_EVERY_PROCESS
    if known is None:
        return set(given) - named - _ours()
    if entrypoint := known.get("entrypoint") if image.startswith("csvpipe-") else None:
        text = (ROOT / str(entrypoint)).read_text()
        return {name for name in set(given) - named if not re.search(rf"\$\{{{name}\b", text)}
    return {name for name in set(given) - named - set(known["variables"]) if not _is_read(name, known, readers)}


def _is_read(name: str, known: Facts, readers: Readers) -> bool:
    if (prefix := known.get("properties")) and name.startswith(prefix):
        return _property(name.removeprefix(prefix)) in readers.kafka_properties
    if (prefix := known.get("options")) and name.startswith(prefix):
        section, _, option = name.removeprefix(prefix).partition("__")
        described: Mapping[str, Any] = conf.configuration_description
        return option.lower() in described.get(section.lower(), {}).get("options", {})
    if program := known.get("program"):
        return _holds(readers.dist / f"{program}-{version(program)}" / program, name)
    if known["image"] == "apache/airflow":
        dags = {f"CSV_INGESTION_{each.name.upper()}" for each in fields(DagSettings)}
        return name in dags | {"OTEL_EXPORTER_OTLP_ENDPOINT"} or name.startswith(tuple(known["any"]))
    return False


def _ours() -> set[str]:
    """Return every variable that a command of ``csvpipe`` reads."""
    models = (Settings, ClientSettings, JobSettings)
    settings = {name.upper() for model in models for name in model.model_fields}
    of_nifi = {f"NIFI_{name.upper()}" for name in Access.__dataclass_fields__}
    of_the_flow = {
        variable for name in environment_names() for variable in load_environment(name, environ={}).variables.values()
    }
    files = {f"{name}_FILE" for name in of_nifi | of_the_flow}
    return settings | of_nifi | of_the_flow | files | _BOTO3 | _LIBPQ


def _property(name: str) -> str:
    """Return the property that Kafka's image makes of the rest of a variable's name."""
    return name.lower().replace("___", "-").replace("__", "\0").replace("_", ".").replace("\0", "_")


def _holds(program: Path, text: str) -> bool:
    with program.open("rb") as file:
        before = b""
        while block := file.read(8 * 1024 * 1024):
            if text.encode() in before + block:
                return True
            before = block[-len(text) :]
    return False
