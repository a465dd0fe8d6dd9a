"""``csvpipe logout``: forget the key of a profile."""

from __future__ import annotations

from typing import Annotated

import typer

from csvpipe.console import messages, shown
from csvpipe.profiles import DEFAULT_PROFILE, config_file, remove_profile


def command(
    *,
    profile: Annotated[
        str, typer.Option("--profile", envvar="CSVPIPE_PROFILE", help="Name of the profile.")
    ] = DEFAULT_PROFILE,
) -> None:
    """Remove a profile with its key from this machine. The key itself stays valid until it is revoked."""
    removed = remove_profile(profile)
    what = f"Removed profile {shown(profile)} from" if removed else f"There is no profile {shown(profile)} in"
    messages().print(f"{what} {shown(config_file())}")
