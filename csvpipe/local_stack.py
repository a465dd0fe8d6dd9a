"""What the local stack, where one runs in this checkout, means for the client's settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from csvpipe.extras import CHECKOUT

if TYPE_CHECKING:
    from nifi.connection import Access
    from stack.local import LocalStack

ROOT = CHECKOUT / ".stack" / "run"
"""The same as ``stack.local.DEFAULT_ROOT``, without the import: most commands run where there is no stack."""


def client_values(root: Path | None = None) -> dict[str, object]:
    """Return the settings that reach the stack under ``root`` (default: this checkout's); empty where none runs."""
    stack = _running_stack(root)
    if stack is None:
        return {}
    from stack.encryption import encryption_variables

    context = stack.context
    ca_file = str(context.ca_file) if context.ca_file else None
    return {
        "csvpipe_url": context.url(context.settings.uploader_port),
        "csvpipe_key": context.secrets.client_key,
        "csvpipe_ca_file": ca_file,
        "s3_endpoint": context.url(context.settings.minio_port),
        "s3_ca_file": ca_file,
        "aws_access_key_id": context.secrets.minio_root_user,
        "aws_secret_access_key": context.secrets.minio_root_password.get_secret_value(),
        **{name.lower(): value for name, value in encryption_variables(context).items()},
    }


@dataclass(frozen=True, kw_only=True)
class LocalNiFi:
    """The NiFi of the local stack.

    Attributes:
        url: Its address.
        access: The certificates that it takes.
        parameters: Parameters of its flow.
    """

    url: str
    access: Access
    parameters: Mapping[str, str] = field(repr=False)


def local_nifi(root: Path | None = None) -> LocalNiFi | None:
    """Return the NiFi of the stack under ``root`` (default: this checkout's); None where no stack runs."""
    stack = _running_stack(root)
    if stack is None:
        return None
    from stack.components.nifi import NiFi

    nifi = NiFi(stack.context)
    return LocalNiFi(url=nifi.url, access=nifi.access(), parameters=nifi.flow_parameters())


@dataclass(frozen=True, kw_only=True)
class LocalAirflow:
    """The Airflow of the local stack. Without a user name, all who ask are administrators."""

    url: str
    username: str | None
    password: str = field(repr=False)
    ca_file: str | None


def local_airflow(root: Path | None = None) -> LocalAirflow | None:
    """Return the Airflow of the stack under ``root`` (default: this checkout's); None where no stack runs."""
    stack = _running_stack(root)
    if stack is None:
        return None
    from stack.airflow_api import ADMIN

    context = stack.context
    return LocalAirflow(
        url=context.url(context.settings.airflow_port),
        username=ADMIN if context.secure else None,
        password=context.secrets.airflow_admin_password.get_secret_value() if context.secure else "",
        ca_file=str(context.ca_file) if context.ca_file else None,
    )


def _running_stack(root: Path | None) -> LocalStack | None:
    """Return the stack where some process of it runs; looking makes no files."""
    root = root or ROOT
    if not (root / "secrets.json").exists():
        return None
    from stack.local import LocalStack

    stack = LocalStack(root=root)
    return stack if any(process.pid for process in stack.all_processes()) else None
