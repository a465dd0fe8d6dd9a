"""Parameters of an environment, from ``nifi/parameters/<environment>.yaml`` and environment variables for secrets."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nifi.errors import EnvironmentFileError

PARAMETERS_DIR = Path(__file__).parent / "parameters"


class _File(BaseModel):
    """Content of the file."""

    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True)

    url: str = Field(pattern=r"^https?://")
    parameters: dict[str, str] = {}
    secrets: dict[str, str] = {}
    scheduling: dict[str, dict[str, Any]] = {}


@dataclass(frozen=True, kw_only=True)
class Environment:
    """The address of a NiFi, and the parameters of its flow.

    Attributes:
        url: URL of NiFi, without ``/nifi-api``.
        parameters: Values by parameter, including the secrets whose variable is set.
        secret_variables: The environment variable of each secret parameter.
        scheduling: Retries, penalties and concurrency by processor, if they differ from the flow definition.
    """

    url: str
    parameters: Mapping[str, str] = field(default_factory=dict, repr=False)
    secret_variables: Mapping[str, str] = field(default_factory=dict)
    scheduling: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def environment_names(directory: Path = PARAMETERS_DIR) -> list[str]:
    """Return the names of the environments that have a file."""
    return sorted(path.stem for path in directory.glob("*.yaml"))


def load_environment(
    name: str, *, environ: Mapping[str, str] = os.environ, directory: Path = PARAMETERS_DIR
) -> Environment:
    """Read the environment ``name``. A secret whose variable is not set is omitted, so NiFi keeps its value.

    Raises:
        EnvironmentFileError: The file is missing or invalid.
    """
    import yaml

    path = directory / f"{name}.yaml"
    if not path.is_file():
        raise EnvironmentFileError(
            f"unknown environment {name!r}; known: {', '.join(environment_names(directory))}", name=name
        )
    try:
        file = _File.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (yaml.YAMLError, ValidationError) as error:
        raise EnvironmentFileError(f"{path}: {error}", path=str(path)) from error
    secrets = {parameter: environ[variable] for parameter, variable in file.secrets.items() if environ.get(variable)}
    return Environment(
        url=file.url,
        parameters={**file.parameters, **secrets},
        secret_variables=file.secrets,
        scheduling=file.scheduling,
    )
