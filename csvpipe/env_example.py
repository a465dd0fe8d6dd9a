"""``.env.example``: every setting there is, with what it means and its default, made from the settings classes."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, fields

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from csvpipe.extras import CHECKOUT
from csvpipe.settings import ClientSettings

FILE = CHECKOUT / ".env.example"
_WIDTH = 110
_PREAMBLE = """\
# Every setting, with its default. Copy this file to .env and take the '#' away where you want something else.
# Made from the code by `make openapi`, and held to it by a test.
#
# What is read, first one wins: the environment, .env in the working directory, the default.
# MB is 1 048 576 bytes everywhere.
"""


@dataclass(frozen=True)
class Variable:
    """One environment variable: its name, its default as text, what it means."""

    name: str
    default: str
    description: str


def render_env_example() -> str:
    """Return the file. A variable that two services read stands once, with the first."""
    from sequencer.settings import JobSettings
    from stack.settings import StackSettings
    from uploader.settings import Settings as UploaderSettings

    sections = (
        ("The uploader (csvpipe serve)", list(settings_variables(UploaderSettings))),
        ("The command line (csvpipe upload, status, list, verify)", list(settings_variables(ClientSettings))),
        ("The sequencer (csvpipe sequence, verify-topic)", list(settings_variables(JobSettings))),
        ("The DAGs (read where Airflow parses them)", list(dag_variables())),
        ("The local stack (csvpipe stack, make demo)", list(settings_variables(StackSettings))),
        ("The containers (docker-compose.yml)", list(compose_variables())),
    )
    seen: set[str] = set()
    parts = [_PREAMBLE]
    for title, variables in sections:
        parts.append(f"\n# ---- {title} {'-' * (_WIDTH - len(title) - 8)}\n")
        parts.extend(_paragraph(variable) for variable in variables if variable.name not in seen)
        seen |= {variable.name for variable in variables}
    return "".join(parts)


def settings_variables(model: type[BaseSettings]) -> Iterator[Variable]:
    """Give the variables of a settings class in the order of its fields."""
    prefix = model.model_config.get("env_prefix", "")
    for name, field in model.model_fields.items():
        yield Variable((prefix + name).upper(), _default(field), field.description or "")


def dag_variables() -> Iterator[Variable]:
    """Give the variables that shape the DAGs."""
    from dags.modules.settings import Settings

    for field in fields(Settings):
        yield Variable(f"CSV_INGESTION_{field.name.upper()}", str(field.default), _DAG_DESCRIPTIONS[field.name])


def compose_variables() -> Iterator[Variable]:
    """Give the variables of docker-compose.yml that are no setting of a service, with their defaults there."""
    defaults = dict(_COMPOSE_VARIABLE.findall((CHECKOUT / "docker-compose.yml").read_text(encoding="utf-8")))
    for name, description in _COMPOSE_DESCRIPTIONS.items():
        yield Variable(name, defaults.get(name, ""), description)


_COMPOSE_VARIABLE = re.compile(r"(?<!\$)\$\{(\w+):-([^}]*)\}")
_COMPOSE_DESCRIPTIONS = {
    "COMPOSE_PROFILES": "What `docker compose up` starts without --profile: core, ordered, monitoring, with commas.",
    "MINIO_ROOT_USER": "MinIO's user, also the S3 access key of NiFi, Airflow and the sequencer.",
    "MINIO_ROOT_PASSWORD": "Its password, also the secret key.",
    "CONTAINERS_S3_ENDPOINT": "Address of the object store as the containers reach it, if it is not MinIO's container.",
    "NIFI_SENSITIVE_PROPS_KEY": "What NiFi encrypts its secrets with; at least 12 characters.",
    "POSTGRES_PASSWORD": "Password of Airflow's database.",
    "AIRFLOW_FERNET_KEY": "What Airflow encrypts its connections with: 32 bytes in URL-safe base64.",
    "AIRFLOW_SECRET_KEY": "What Airflow signs its tokens with; at least 64 characters.",
    "GRAFANA_ADMIN_PASSWORD": "Password of Grafana's user admin; looking needs none.",
}
_DAG_DESCRIPTIONS = {
    "retries": "How often a task of csv-chunk-ingestion is tried again after an error that does not pass by itself.",
    "retry_delay_s": "Seconds between these tries.",
    "transient_retries": "How often it is tried again while a service is away.",
    "transient_retry_delay_s": "Seconds before the first of these tries; the wait doubles up to a minute.",
    "listener_retries": "How often a task of csv-ingestion-listener is tried again.",
    "listener_retry_delay_s": "Seconds between these tries, and between those of monitor_nifi_status.",
    "landing_deadline_s": "Seconds that the chunks of one run have to land, before the task fails and names them.",
    "max_active_runs": "Runs of csv-chunk-ingestion at the same time.",
}


def _default(field: FieldInfo) -> str:
    if field.default_factory is not None or field.default is None:
        return ""
    value = field.default.get_secret_value() if isinstance(field.default, SecretStr) else field.default
    if isinstance(value, bool):
        return str(value).lower()
    return json.dumps(value) if isinstance(value, dict) else str(value)


def _paragraph(variable: Variable) -> str:
    text = variable.description
    text = text[:1].upper() + text[1:]
    lines = textwrap.wrap(text if text.endswith(".") else f"{text}.", _WIDTH)
    return "".join(f"# {line}\n" for line in lines) + f"#{variable.name}={variable.default}\n\n"
