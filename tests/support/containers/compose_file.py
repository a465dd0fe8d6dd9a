"""docker-compose.yml as Compose reads it when no variable is set."""

from __future__ import annotations

import re
from typing import Any

import yaml

from tests.support.docs.shell_blocks import ROOT

PATH = ROOT / "docker-compose.yml"
TEXT = PATH.read_text()
VARIABLE = re.compile(r"(?<!\$)\$\{(\w+)(?::-((?:[^{}]|\{[^{}]*\})*))?\}")
"""A variable and its default, in which may be other braces, also those of another variable."""
Json = dict[str, Any]


def load() -> Json:
    """Read the file as Compose would with no variable set."""
    text = TEXT
    while VARIABLE.search(text):
        text = VARIABLE.sub(lambda match: match[2] or "", text)
    loaded: Json = yaml.safe_load(text.replace("$$", "$"))
    return loaded


COMPOSE = load()
SERVICES: dict[str, Json] = COMPOSE["services"]


def environment_of(name: str) -> dict[str, str]:
    """Return what a container gets if neither the environment nor ``.env`` sets anything."""
    given = SERVICES[name].get("environment", {})
    return {variable: str(value) for variable, value in given.items() if value is not None}
