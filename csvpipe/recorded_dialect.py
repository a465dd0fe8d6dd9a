"""How the source of a verification is read: as given, as recorded in the job's checkpoint, or as detected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from contracts.errors import CsvPipeError
from contracts.number_text import counted
from sequencer.checkpoint.factory import open_checkpoints
from sequencer.input.dialects import FileDialect, recorded_dialects
from sequencer.input.job_input import JobInput
from sequencer.input.opening import open_job_input
from sequencer.model.checkpoint import Checkpoint
from sequencer.model.source_identity import condense
from sequencer.settings import JobSettings

_WITHOUT_NOTE = "use --job-id with its checkpoint, or --delimiter and --encoding, to verify that as well"


@dataclass(frozen=True)
class VerificationInput:
    """The source of a verification, and a description of how it is read and why."""

    job: JobInput
    how: str


def open_verification_input(settings: JobSettings) -> VerificationInput:
    """Open the source as the job has read it.

    The settings take precedence. The rest is taken from the job's checkpoint, if its id is given and the checkpoint is
    of this source and topic, or else detected in the source; the description says which.

    Raises:
        CsvPipeError: the source does not exist, or is not CSV.
    """
    checkpoint, why_not = _checkpoint(settings)
    noted = recorded_dialects(checkpoint)
    if checkpoint and not noted:
        why_not = f"the checkpoint of {checkpoint.job_id} records none"
    job = open_job_input(settings, noted)
    if checkpoint and noted and condense(checkpoint.sources) != condense(job.identity):
        why_not, noted = f"the checkpoint of {checkpoint.job_id} is of another source", []
        job = open_job_input(settings)
    owner = checkpoint.job_id if checkpoint and noted else None
    return VerificationInput(job, _described(settings, job, noted, owner=owner, why_not=why_not))


def _checkpoint(settings: JobSettings) -> tuple[Checkpoint | None, str]:
    """Return the checkpoint of the given job, or why there is none."""
    if not settings.job_id:
        return None, "no --job-id was given"
    if not settings.checkpoint_table and not Path(settings.checkpoint_file).exists():
        return None, f"there is no checkpoint file {settings.checkpoint_file}"
    try:
        store = open_checkpoints(settings)
        names = (settings.job_id, f"{settings.job_id}.p0")
        found = next(filter(None, map(store.load, names)), None)
    except CsvPipeError as error:
        return None, f"the checkpoint of {settings.job_id} cannot be read: {error.detail}"
    if found is None:
        return None, f"there is no checkpoint of {settings.job_id}"
    if found.topic != settings.kafka_topic:
        return None, f"the checkpoint of {found.job_id} is of topic {found.topic}"
    return found, ""


def _described(
    settings: JobSettings, job: JobInput, noted: Sequence[FileDialect], *, owner: str | None, why_not: str
) -> str:
    used = [FileDialect.of(head) for head in job.headers]
    given = [name for name in ("delimiter", "encoding") if getattr(settings, name)]
    others = len({*used}) - 1
    text = f"read with {used[0]}" + (f" (and {counted(others, 'other dialect')} in later files)" if others else "")
    origins = [f"{' and '.join(given)} as given"] if given else []
    if len(given) < 2:
        rest = "the rest " if given else ""
        detected = f"{rest}detected in the source, as {why_not}: {_WITHOUT_NOTE}"
        origins.append(f"{rest}as recorded by job {owner}" if owner else detected)
    text += f": {', '.join(origins)}"
    differs = next((each for each, now in zip(noted, used, strict=False) if each != now), None)
    return text + (f". Job {owner} recorded something else: {differs}" if differs else "")
