"""Parameters of an environment, from ``nifi/parameters/<environment>.yaml`` and the variables that it names."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from contracts.secret_files import read_variable
from nifi.encryption import STRATEGY, encryption_parameters
from nifi.errors import EnvironmentFileError

PARAMETERS_DIR = Path(__file__).parent / "parameters"


class _File(BaseModel):
    """Content of the file."""

    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True)

    url: str = Field(pattern=r"^https?://")
    parameters: dict[str, str] = {}
    variables: dict[str, str] = {}
    scheduling: dict[str, dict[str, Any]] = {}


@dataclass(frozen=True, kw_only=True)
class Environment:
    """The address of a NiFi, and the parameters of its flow.

    Attributes:
        url: URL of NiFi, without ``/nifi-api``.
        parameters: Values by parameter, including those whose variable is set.
        variables: The environment variable of each parameter whose value is not in the file, such as a secret.
            The variable of the key of the objects depends on their encryption (:mod:`nifi.encryption`).
        scheduling: Retries, penalties and concurrency by processor, if they differ from the flow definition.
    """

    url: str
    parameters: Mapping[str, str] = field(default_factory=dict, repr=False)
    variables: Mapping[str, str] = field(default_factory=dict)
    scheduling: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def environment_names(directory: Path = PARAMETERS_DIR) -> list[str]:
    """Return the names of the environments that have a file."""
    return sorted(path.stem for path in directory.glob("*.yaml"))


def load_environment(
    name: str, *, environ: Mapping[str, str] = os.environ, directory: Path = PARAMETERS_DIR
) -> Environment:
    """Read the environment ``name``. A parameter whose variable is not set is omitted, so NiFi keeps its value.

    ``S3_ENCRYPTION`` takes precedence over the strategy in the file; without both, NiFi keeps its encryption.

    Raises:
        EnvironmentFileError: The file is missing or invalid.
        SettingsError: A variable and its ``_FILE`` are both set, the file cannot be read, or a variable of the
            encryption is invalid.
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
    given = {parameter: read_variable(environ, variable) for parameter, variable in file.variables.items()}
    encryption = encryption_parameters(environ, strategy=file.parameters.get(STRATEGY))
    return Environment(
        url=file.url,
        parameters={
            **file.parameters,
            **encryption,
            **{parameter: value for parameter, value in given.items() if value},
        },
        variables=file.variables,
        scheduling=file.scheduling,
    )
