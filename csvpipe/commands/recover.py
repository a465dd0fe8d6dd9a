"""``csvpipe recover``: rebuild the uploader's database from the manifests on its disk."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated

import typer

from contracts.audit import AuditAction
from contracts.number_text import counted, format_count
from csvpipe.commands.serve import read_settings
from csvpipe.console import messages, output, record_progress
from csvpipe.errors import CommandError
from csvpipe.json_output import JsonOption, print_json
from uploader.access.audit import Actor, AuditEvent
from uploader.access.principal import Principal
from uploader.disk.chunk_files import ChunkFiles
from uploader.disk.directory_lock import lock_exclusively
from uploader.runtime.clock import utc_now
from uploader.settings import Settings
from uploader.store.store import Store, open_store
from uploader.uploads.database_rebuild import BAD_OUTCOMES, DatabaseRebuild, RebuildFinding, RebuildOutcome
from uploader.uploads.recovery import check_disk


class NotAllRecoveredError(CommandError):
    """Some directories hold no readable manifest; the others were recovered."""

    code = "not_all_recovered"
    title = "Not all recovered"


def command(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Report what would be restored, without changes.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Restore uploads in TEMP_DIR that the database does not know, from the manifests next to their files.

    Reads the uploader's settings, as serve does; the uploader must be stopped. What has not landed, as far as the disk
    tells, is announced again when the uploader starts. It may be killed, and run again.
    """
    settings = read_settings()
    with lock_exclusively(settings.temp_dir):
        findings = _recover(settings, dry_run=dry_run)
    _print(settings, findings, dry_run=dry_run, as_json=as_json)
    bad = sum(each.outcome in BAD_OUTCOMES for each in findings)
    if bad:
        found = counted(len(findings), "directory", "directories")
        raise NotAllRecoveredError(
            f"{format_count(bad)} of {found} could not be recovered: see the notes above. The uploader accepts nothing "
            "while a directory with a manifest is unknown to its database: move those away, and keep them"
        )


def _recover(settings: Settings, *, dry_run: bool) -> list[RebuildFinding]:
    files = ChunkFiles(settings.temp_dir)
    with _store(settings, dry_run=dry_run) as store:
        if not dry_run:
            check_disk(store=store, files=files, replica=settings.replica_name)
            # Before anything is restored: in a new database, the audit chain begins with this record.
            store.audit.record([_event("uploads that the database does not know are restored from TEMP_DIR")])
        rebuild = DatabaseRebuild(
            store=store, files=files, replica=settings.replica_name, clock=utc_now, dry_run=dry_run
        )
        with record_progress(messages()) as progress:
            findings = list(progress.track(rebuild.run(), total=len(rebuild.upload_ids()), description="uploads"))
        if not dry_run:
            restored = sum(each.outcome is RebuildOutcome.RESTORED for each in findings)
            store.audit.record([_event(f"{counted(restored, 'upload')} restored, {len(findings) - restored} not")])
        return findings


def _event(detail: str) -> AuditEvent:
    operator = Principal(key_id=None, name="csvpipe recover", permissions=frozenset(), datasets=())
    return AuditEvent(action=AuditAction.RECOVER, actor=Actor(operator, address=""), detail=detail)


@contextmanager
def _store(settings: Settings, *, dry_run: bool) -> Iterator[Store]:
    """Open the database; a dry run makes none where there is no file."""
    with tempfile.TemporaryDirectory() as nowhere:
        url = settings.store_url
        if dry_run and url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).exists():
            url = f"sqlite:///{nowhere}/empty.sqlite3"
        with closing(open_store(url, replica=settings.replica_name)) as store:
            yield store


def _print(settings: Settings, findings: list[RebuildFinding], *, dry_run: bool, as_json: bool) -> None:
    counts = Counter(each.outcome for each in findings)
    if as_json:
        document = {
            "temp_dir": str(settings.temp_dir),
            "replica": settings.replica_name,
            "dry_run": dry_run,
            "counts": {outcome.value: counts[outcome] for outcome in RebuildOutcome},
            "uploads": [
                {
                    "upload_id": each.upload_id,
                    "outcome": each.outcome.value,
                    "chunks": {state.value: number for state, number in each.chunks.items()},
                    "notes": each.notes,
                }
                for each in findings
            ],
        }
        print_json(document)
        return
    console = output()
    for each in findings:
        for note in each.notes:
            console.print(f"{each.upload_id} {each.outcome}: {note}", markup=False)
    verb = "would be restored" if dry_run else "restored"
    console.print(
        f"{counted(counts[RebuildOutcome.RESTORED], 'upload')} {verb}, "
        f"{format_count(counts[RebuildOutcome.KNOWN])} known, "
        f"{format_count(sum(counts[bad] for bad in BAD_OUTCOMES))} not recoverable"
    )
