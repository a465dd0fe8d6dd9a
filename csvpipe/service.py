"""The uploader that a command talks to: options that choose it, and its client with the key."""

from __future__ import annotations

from typing import Annotated

import typer

from csvpipe.client import UploaderClient
from csvpipe.local_stack import client_values
from csvpipe.profiles import config_file
from csvpipe.settings import ClientSettings, find_profile, load_settings

UrlOption = Annotated[str | None, typer.Option("--url", help="Address of the uploader (default: CSVPIPE_URL).")]
ProfileOption = Annotated[
    str | None, typer.Option("--profile", help="Profile with address and key (default: CSVPIPE_PROFILE).")
]


def open_uploader(*, url: str | None = None, profile: str | None = None) -> UploaderClient:
    """Return a client of the uploader that options, environment, profile and local stack choose, with the key to it.

    Raises:
        SettingsError: a setting is not usable.
        ProfileError: the configuration file is not usable, or there is no such profile.
    """
    return client_of(load_settings(csvpipe_url=url, csvpipe_profile=profile))


def client_of(settings: ClientSettings) -> UploaderClient:
    """Return a client of the uploader in ``settings``, with the key to it."""
    origin = "" if settings.csvpipe_key is None else describe_key_origin(settings)
    return UploaderClient(
        settings.csvpipe_url, key=settings.csvpipe_key, key_origin=origin, ca_file=settings.csvpipe_ca_file
    )


def describe_key_origin(settings: ClientSettings) -> str:
    """Return where the key of ``settings`` comes from: the first place that holds it."""
    profile = find_profile(settings.csvpipe_profile)
    if profile is not None and profile.key == settings.csvpipe_key:
        return f"profile {profile.name!r} in {config_file()}"
    if client_values().get("csvpipe_key") == settings.csvpipe_key:
        return "the local stack"
    return "CSVPIPE_KEY or CSVPIPE_KEY_FILE"
