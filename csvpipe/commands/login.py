"""``csvpipe login``: check a key and store it in a profile."""

from __future__ import annotations

import sys
from getpass import getpass
from pathlib import Path
from typing import Annotated

import typer
from pydantic import SecretStr

from contracts.api import KeyOfCaller
from contracts.number_text import counted
from contracts.secret_files import secret_in
from csvpipe.client import UploaderClient
from csvpipe.console import messages, output, shown
from csvpipe.errors import ProfileError
from csvpipe.json_output import JsonOption, print_json
from csvpipe.profiles import DEFAULT_PROFILE, Profile, load_profile, save_profile
from csvpipe.service_address import is_loopback

STDIN = Path("-")


def command(
    *,
    profile: Annotated[
        str, typer.Option("--profile", envvar="CSVPIPE_PROFILE", help="Name of the profile.")
    ] = DEFAULT_PROFILE,
    url: Annotated[
        str | None,
        typer.Option("--url", envvar="CSVPIPE_URL", help="Address of the uploader (default: that of the profile)."),
    ] = None,
    key_file: Annotated[
        Path | None, typer.Option(help="File with the key; '-' reads standard input (default: ask for it).")
    ] = None,
    ca_file: Annotated[
        Path | None,
        typer.Option(
            envvar="CSVPIPE_CA_FILE",
            help="PEM file of certificates to trust instead of the public ones (default: that of the profile).",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Ask for a key, check it at the uploader, and store it with the address in a profile.

    The key is not shown while it is typed. The file with the profiles can be read by its owner only.
    """
    known = load_profile(profile)
    address = url or (known.url if known else None)
    if address is None:
        raise typer.BadParameter(
            f"the profile {profile!r} is new: give the address of the uploader", param_hint="--url"
        )
    if not address.startswith(("http://", "https://")):
        raise typer.BadParameter("must start with http:// or https://", param_hint="--url")
    if address.startswith("http://") and not is_loopback(address):
        messages().print(f"{shown(address)} is not encrypted: anyone on the way to it can read the key")
    key, origin = _read_key(key_file)
    authority = str(ca_file.absolute()) if ca_file else known.ca_file if known else None
    with UploaderClient(address, key=key, key_origin=origin, ca_file=authority) as client:
        own = client.own_key()
    path = save_profile(Profile(name=profile, url=address, key=key, ca_file=authority))
    if as_json:
        print_json(own)
    else:
        output().print(describe(own), markup=False)
    messages().print(f"Stored as profile {shown(profile)} in {shown(path)}")


def describe(own: KeyOfCaller) -> str:
    """Return what a key permits, in lines for people."""
    limits = [
        None if own.uploads_per_minute is None else f"{_any_or_counted(own.uploads_per_minute)} a minute",
        None if own.concurrent_uploads is None else f"{counted(own.concurrent_uploads, 'upload')} at once",
        None if own.max_file_size_mb is None else f"files up to {own.max_file_size_mb} MiB",
    ]
    lines = [
        f"key          {own.name}",
        f"permissions  {', '.join(own.permissions)}",
        f"datasets     {', '.join(own.datasets)}",
        f"limits       {', '.join(filter(None, limits)) or 'those of the service'}",
        f"expires      {f'{own.expires_at:%Y-%m-%d %H:%M:%S %Z}' if own.expires_at else 'never'}",
    ]
    return "\n".join(lines)


def _any_or_counted(uploads: int) -> str:
    return counted(uploads, "upload") if uploads else "any number of uploads"


def _read_key(path: Path | None) -> tuple[SecretStr, str]:
    """Return the key and where it comes from.

    Raises:
        ProfileError: the file cannot be read, or there is no key in it.
    """
    if path is None:
        if not sys.stdin.isatty():
            raise typer.BadParameter("standard input is not a terminal; use: --key-file -", param_hint="--key-file")
        text, origin = getpass("Key: "), "the prompt"
    else:
        origin = "standard input" if path == STDIN else str(path)
        try:
            text = sys.stdin.read() if path == STDIN else path.read_text(encoding="utf-8")
        except OSError as error:
            raise ProfileError(f"--key-file {path} cannot be read: {error.strerror}") from error
        except UnicodeDecodeError:
            raise ProfileError(f"--key-file {path} is not UTF-8 text") from None
    key = secret_in(text).strip()
    if not key:
        raise ProfileError(f"{origin} has no key")
    return SecretStr(key), origin
