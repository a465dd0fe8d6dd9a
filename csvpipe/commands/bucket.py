"""``csvpipe bucket``: create the bucket before anything is sent to it."""

from __future__ import annotations

from typing import Annotated

import typer

from csvpipe.json_output import JsonOption, print_json
from csvpipe.settings import load_settings
from csvpipe.verify.s3_objects import connect


def command(
    *,
    name: Annotated[str | None, typer.Argument(help="Name of the bucket (default: S3_BUCKET).")] = None,
    as_json: JsonOption = False,
) -> None:
    """Create the bucket if it does not exist. Safe to repeat.

    Takes the endpoint and the credentials from S3_ENDPOINT, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
    """
    settings = load_settings(s3_bucket=name)
    created = connect(settings).create_bucket(region=settings.s3_region)
    if as_json:
        print_json({"bucket": settings.s3_bucket, "created": created})
        return
    print(f"bucket {settings.s3_bucket}: {'created' if created else 'exists already'}")
