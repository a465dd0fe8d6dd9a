"""``csvpipe keys``: create, show, revoke and rotate keys of the uploader."""

from __future__ import annotations

import re
import sys
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.table import Table

from contracts.api import Key, KeyRotation, KeyWithSecret, NewKey
from contracts.faults import rule_of
from contracts.names import KEY_ID_PATTERN
from contracts.permissions import Permission
from contracts.secret_files import secret_in
from csvpipe.console import messages, output, print_table, shown
from csvpipe.errors import ProfileError
from csvpipe.json_output import JsonOption, print_json
from csvpipe.key_administration import KeyAdministration, open_key_database
from csvpipe.service import ProfileOption, UrlOption, open_uploader

app = typer.Typer(no_args_is_help=True, help="Create, show, revoke and rotate keys of the uploader.")
STDIN = Path("-")
_TIMES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"]


def _check_id(text: str) -> str:
    if re.fullmatch(KEY_ID_PATTERN, text) is None:
        raise typer.BadParameter("must be the 8 characters after csvp_, not the whole key")
    return text


_KeyId = Annotated[str, typer.Argument(metavar="KEY_ID", help="The 8 characters after csvp_.", callback=_check_id)]
_Database = Annotated[
    bool,
    typer.Option("--database", help="Use the database of the uploader's settings, not the API: it needs no key."),
]


@app.command()
def create(
    *,
    name: Annotated[str, typer.Option(help="Who uses it, and for what.")],
    permission: Annotated[
        list[Permission], typer.Option("--permission", "-p", help="What it permits. Repeatable; none implies another.")
    ],
    dataset: Annotated[
        list[str], typer.Option("--dataset", "-d", help="Dataset, in which * stands for any characters. Repeatable.")
    ],
    uploads_per_minute: Annotated[
        int | None, typer.Option(min=0, help="Uploads a minute; 0 for no limit (default: UPLOADS_PER_MINUTE).")
    ] = None,
    concurrent_uploads: Annotated[
        int | None, typer.Option(min=1, help="Uploads at once (default: UPLOADS_AT_ONCE_PER_KEY).")
    ] = None,
    max_file_size_mb: Annotated[
        int | None, typer.Option(min=1, help="Largest file in MiB (default: MAX_FILE_SIZE_MB).")
    ] = None,
    expires: Annotated[datetime | None, typer.Option(formats=_TIMES, help="When it stops working, in UTC.")] = None,
    key_file: Annotated[
        Path | None, typer.Option(help="File with a key that was made elsewhere; '-' reads standard input.")
    ] = None,
    as_json: JsonOption = False,
    database: _Database = False,
    url: UrlOption = None,
    profile: ProfileOption = None,
) -> None:
    """Create a key and print it, once: the uploader keeps a hash of it only. Needs a key with permission admin.

    With --key-file the given key is registered; repeating that changes nothing.
    """
    given = {
        "name": name,
        "permissions": permission,
        "datasets": dataset,
        "uploads_per_minute": uploads_per_minute,
        "concurrent_uploads": concurrent_uploads,
        "max_file_size_mb": max_file_size_mb,
        "expires_at": None if expires is None else _in_utc(expires).isoformat(),
        "key": None if key_file is None else _read_key(key_file),
    }
    try:
        wanted = NewKey.model_validate(given)
    except ValidationError as error:
        fault = error.errors(include_input=False, include_url=False)[0]
        raise typer.BadParameter(rule_of(fault), param_hint=str(fault["loc"][0])) from None
    with _open(database=database, url=url, profile=profile) as keys:
        created = keys.create_key(wanted)
    _print_secret(created, as_json=as_json)


@app.command("list")
def list_keys(
    *, as_json: JsonOption = False, database: _Database = False, url: UrlOption = None, profile: ProfileOption = None
) -> None:
    """List all keys, the oldest first, revoked ones included. Needs a key with permission admin."""
    with _open(database=database, url=url, profile=profile) as keys:
        found = keys.list_keys()
    if as_json:
        print_json(found)
        return
    table = Table("key", "name", "permissions", "datasets", "last used", "state", box=None, pad_edge=False)
    for key in found.keys:
        last_used = "" if key.last_used_on is None else str(key.last_used_on)
        rights = ", ".join(key.permissions), ", ".join(key.datasets)
        table.add_row(key.key_id, shown(key.name), *rights, last_used, _state(key))
    print_table(table)


@app.command()
def show(
    key_id: _KeyId,
    *,
    as_json: JsonOption = False,
    database: _Database = False,
    url: UrlOption = None,
    profile: ProfileOption = None,
) -> None:
    """Show what a key permits, and whether it is used. Needs a key with permission admin."""
    with _open(database=database, url=url, profile=profile) as keys:
        _print_key(keys.show_key(key_id), as_json=as_json)


@app.command()
def revoke(
    key_id: _KeyId,
    *,
    as_json: JsonOption = False,
    database: _Database = False,
    url: UrlOption = None,
    profile: ProfileOption = None,
) -> None:
    """Revoke a key for good: the uploader refuses it within 5 seconds. Needs a key with permission admin."""
    with _open(database=database, url=url, profile=profile) as keys:
        _print_key(keys.revoke_key(key_id), as_json=as_json)


@app.command()
def rotate(
    key_id: _KeyId,
    *,
    grace: Annotated[int, typer.Option(min=0, help="Seconds for which the present secret still works.")] = 0,
    as_json: JsonOption = False,
    database: _Database = False,
    url: UrlOption = None,
    profile: ProfileOption = None,
) -> None:
    """Give a key a new secret and print it, once. Needs a key with permission admin."""
    with _open(database=database, url=url, profile=profile) as keys:
        rotated = keys.rotate_key(key_id, KeyRotation(grace_s=grace))
    _print_secret(rotated, as_json=as_json)


@app.command()
def generate() -> None:
    """Print a new key that no uploader knows yet, for ADMIN_KEY, RELAY_KEY or create --key-file."""
    from uploader.access.key_text import KeyText

    print(KeyText.generate().text)


def _open(*, database: bool, url: str | None, profile: str | None) -> AbstractContextManager[KeyAdministration]:
    return open_key_database() if database else open_uploader(url=url, profile=profile)


def _read_key(path: Path) -> str:
    try:
        return secret_in(sys.stdin.read() if path == STDIN else path.read_text(encoding="utf-8")).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ProfileError(f"--key-file {path} cannot be read: {error}") from error


def _in_utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _state(key: Key) -> str:
    now = datetime.now(UTC)
    if key.revoked_at is not None:
        return "revoked"
    return "expired" if key.expires_at is not None and key.expires_at <= now else "valid"


def _print_key(key: Key, *, as_json: bool) -> None:
    if as_json:
        print_json(key)
        return
    for name, value in key.model_dump(mode="json", exclude={"key"}).items():
        text = ", ".join(map(str, value)) if isinstance(value, list) else value
        output().print(f"{name:<20}{'' if text is None else shown(text)}", markup=False)
    output().print(f"{'state':<20}{_state(key)}", markup=False)


def _print_secret(key: KeyWithSecret, *, as_json: bool) -> None:
    if as_json:
        print_json(key)
        return
    messages().print(f"Key {key.key_id}; it is not shown again:")
    print(key.key)
