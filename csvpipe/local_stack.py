"""What the local stack, where one runs in this checkout, means for the client's settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from csvpipe.extras import CHECKOUT

if TYPE_CHECKING:
    from stack.local import LocalStack

ROOT = CHECKOUT / ".stack" / "run"
"""The same as ``stack.local.DEFAULT_ROOT``, without the import: most commands run where there is no stack."""


def client_values(root: Path | None = None) -> dict[str, object]:
    """Return the settings that reach the stack under ``root`` (default: this checkout's); empty where none runs."""
    stack = _running_stack(root)
    if stack is None:
        return {}
    settings, secrets = stack.context.settings, stack.context.secrets
    return {
        "csvpipe_url": f"http://{settings.host}:{settings.uploader_port}",
        "s3_endpoint": f"http://{settings.host}:{settings.minio_port}",
        "aws_access_key_id": secrets.minio_root_user,
        "aws_secret_access_key": secrets.minio_root_password.get_secret_value(),
    }


def nifi_values(root: Path | None = None) -> tuple[str | None, dict[str, str]]:
    """Return the address of the local stack's NiFi and the parameters of its flow; ``(None, {})`` where none runs."""
    stack = _running_stack(root)
    if stack is None:
        return None, {}
    from stack.components.nifi import NiFi

    nifi = NiFi(stack.context)
    return nifi.url, nifi.flow_parameters()


def _running_stack(root: Path | None) -> LocalStack | None:
    """Return the stack where some process of it runs; looking makes no files."""
    root = root or ROOT
    if not (root / "secrets.json").exists():
        return None
    from stack.local import LocalStack

    stack = LocalStack(root=root)
    return stack if any(process.pid for process in stack.all_processes()) else None
