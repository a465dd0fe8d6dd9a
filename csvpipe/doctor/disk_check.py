"""The check of the disk of TEMP_DIR, on the machine of an uploader."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path

from contracts.names import BYTES_PER_MB
from csvpipe.console import format_bytes
from csvpipe.doctor.finding import Finding, Findings, Verdict
from csvpipe.doctor.variables import ServiceVariables


def check_disk(variables: ServiceVariables) -> Findings:
    """Give the free space of TEMP_DIR against MIN_FREE_DISK_MB and LOW_DISK_MB.

    Raises:
        SettingsError: a setting of the uploader is wrong.
    """
    if not variables.temp_dir:
        yield Finding("settings", Verdict.SKIPPED, "TEMP_DIR is not set")
        return
    if find_spec("fastapi") is None:
        yield Finding("package", Verdict.SKIPPED, "pip install 'csvpipe[uploader]' makes this check possible")
        return
    from uploader.settings import load_settings

    settings = load_settings(env_file=Path(".env"))
    try:
        free = shutil.disk_usage(settings.temp_dir).free
    except OSError as error:
        text = f"TEMP_DIR {settings.temp_dir} cannot be read: {error.strerror}"
        yield Finding("space", Verdict.FAILED, text, "create it, or set TEMP_DIR to the directory of the uploader")
        return
    yield _judge_space(free, least=settings.min_free_disk_mb * BYTES_PER_MB, low=settings.low_disk_mb * BYTES_PER_MB)


def _judge_space(free: int, *, least: int, low: int) -> Finding:
    text = f"{format_bytes(free)} free on the disk of TEMP_DIR"
    if free < least:
        advice = "free or enlarge it: uploads are refused"
        return Finding("space", Verdict.FAILED, f"{text}, MIN_FREE_DISK_MB is {least // BYTES_PER_MB}", advice)
    if free < low:
        return Finding("space", Verdict.WARNING, f"{text}, LOW_DISK_MB is {low // BYTES_PER_MB}", "free or enlarge it")
    return Finding("space", Verdict.OK, text)
