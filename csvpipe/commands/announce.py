"""``csvpipe announce``: publish again what has not landed of an upload."""

from __future__ import annotations

from typing import Annotated

import typer

from contracts.states import UploadState
from csvpipe.console import messages, output
from csvpipe.json_output import JsonOption, print_json
from csvpipe.landing import describe_states, wait_until_landed
from csvpipe.service import ProfileOption, UrlOption, open_uploader
from csvpipe.upload_id import check_upload_id


def command(
    *,
    upload_id: Annotated[str, typer.Argument(help="Id of the upload, as printed by csvpipe upload.")],
    watch: Annotated[bool, typer.Option("--watch", help="Wait until the chunks have landed.")] = False,
    timeout: Annotated[float, typer.Option(help="Seconds to wait with --watch.")] = 1800.0,
    as_json: JsonOption = False,
    url: UrlOption = None,
    profile: ProfileOption = None,
) -> None:
    """Announce all chunks of an upload that have not landed, including failed ones.

    Correct the cause first: `csvpipe status` shows the error of each chunk. Needs a key with permission operate.
    If all chunks have landed, the upload's manifest is written to the bucket again.
    """
    check_upload_id(upload_id)
    with open_uploader(url=url, profile=profile) as client:
        status = client.announce(upload_id)
        had_landed = status.state is UploadState.LANDED
        if not as_json:
            output().print(
                f"Announced for its manifest; all chunks have landed: {upload_id}"
                if had_landed
                else f"Announced: {upload_id} ({describe_states(status)})",
                markup=False,
            )
        if watch and not had_landed:
            status = wait_until_landed(client, upload_id, timeout_s=timeout, console=messages())
            if not as_json:
                output().print(f"Landed: {upload_id}", markup=False)
    if as_json:
        print_json(status)
