"""A database that is lost, or another than it was: nothing more is taken into it, and it is made anew from the disk."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from contracts.audit import FIRST_PREVIOUS_HASH, AuditRecord
from contracts.exit_codes import ExitCode
from tests.support.uploader.postgres import PostgresServer
from tests.support.uploader.server import RunningUploader, running_uploader
from tests.support.uploader.uploads import SettableClock, cut_result, upload_records, write_chunks
from tests.support.waiting import wait_until
from uploader.assembly import Intervals
from uploader.disk.directories import LOCK_FILE
from uploader.disk.manifest_file import MANIFEST_FILE, dump_manifest, write_manifest
from uploader.store.store import open_store

CSV = b"id,name\n" + b"".join(b"%d,name %d\n" % (row, row) for row in range(1, 7))
FAST = Intervals(clean_s=0.2)


def send(server: RunningUploader, *, key: str | None = None, content: bytes = CSV) -> httpx.Response:
    return httpx.post(
        f"{server.base_url}/upload/csv?dataset_name=people&chunk_type=rows&chunk_size=2",
        files={"file": ("people.csv", content)},
        headers={"Idempotency-Key": key} if key else {},
        timeout=60,
        trust_env=False,
    )


def get(server: RunningUploader, path: str) -> httpx.Response:
    return httpx.get(f"{server.base_url}{path}", timeout=30, trust_env=False)


def is_ready(server: RunningUploader) -> bool:
    return get(server, "/ready").status_code == 200


def is_lost(server: RunningUploader, sign: str) -> bool:
    """Return whether ``/ready`` says that the database is lost, with ``sign`` in its reason."""
    answer = get(server, "/ready")
    return answer.status_code == 503 and sign in (answer.json()["manifest"]["why"] or "")


def is_announced(server: RunningUploader, upload_id: str) -> bool:
    found: str = get(server, f"/uploads/{upload_id}/status").json()["status"]
    return found == "announced"


def land(server: RunningUploader, upload_id: str, chunk_id: int) -> None:
    chunk = get(server, f"/uploads/{upload_id}/status").json()["chunks"][chunk_id - 1]
    body = {"state": "landed", "evidence": {"size_bytes": chunk["size_bytes"], "sha256": chunk["sha256"]}}
    answer = httpx.put(
        f"{server.base_url}/chunks/{upload_id}/{chunk_id}/state",
        content=json.dumps(body),
        headers={"Content-Type": "application/json"},
        trust_env=False,
    )
    assert answer.status_code == 200


def environment(temp_dir: Path, **given: str) -> dict[str, str]:
    settings = {"TEMP_DIR": str(temp_dir), "REPLICA_NAME": "replica-0", **given}
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path.cwd()), **settings}


def recover(temp_dir: Path, *options: str, **given: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "csvpipe", "recover", *options],
        env=environment(temp_dir, **given),
        cwd=temp_dir.parent,
        capture_output=True,
        text=True,
        check=False,
    )


def outcomes(finished: subprocess.CompletedProcess[str]) -> dict[str, int]:
    counts: dict[str, int] = json.loads(finished.stdout)["counts"]
    return {outcome: number for outcome, number in counts.items() if number}


def delete_database(database: Path) -> None:
    for path in database.parent.glob(f"{database.name}*"):
        path.unlink()


def replace_database(database: Path) -> None:
    other = database.parent / "other.sqlite3"
    open_store(f"sqlite:///{other}").close()
    other.replace(database)


def truncate_database(database: Path) -> None:
    os.truncate(database, 0)


LOSSES = [delete_database, replace_database, truncate_database]


@pytest.mark.parametrize("lose", LOSSES)
def test_lost_database_stops_uploads_and_can_be_rebuilt(tmp_path: Path, lose: Callable[[Path], None]) -> None:
    temp_dir = tmp_path / "chunks"
    with running_uploader(temp_dir, replica_name="replica-0") as server:
        answers = [send(server, key=f"key-{number}").json() for number in range(3)]
        wait_until(lambda: is_ready(server), what="it is ready", deadline_s=60)
        lose(temp_dir / "manifest.sqlite3")
        wait_until(lambda: is_lost(server, "csvpipe recover"), what="/ready says what to do", deadline_s=60)
        refused = send(server)
        assert (refused.status_code, refused.json()["code"]) == (503, "manifest_lost")
        # Not 404: who fetches a chunk would take that for an answer.
        assert get(server, f"/chunks/{answers[0]['upload_id']}/1/download").status_code == 503
    assert recover(temp_dir).returncode == 0
    with running_uploader(temp_dir, replica_name="replica-0", intervals=FAST) as server:
        wait_until(lambda: is_ready(server), what="it is ready", deadline_s=60)
        for number, answer in enumerate(answers):
            upload_id = answer["upload_id"]
            wait_until(partial(is_announced, server, upload_id), what="it is announced again", deadline_s=60)
            assert len(get(server, f"/uploads/{upload_id}/manifest").json()["chunks"]) == 3
            assert send(server, key=f"key-{number}").json()["upload_id"] == upload_id
        assert get(server, "/uploads").json()["next_cursor"] is None
        assert len(get(server, "/uploads").json()["uploads"]) == 3


def test_audit_chain_starts_anew_after_a_recovery_and_says_so(tmp_path: Path) -> None:
    temp_dir = tmp_path / "chunks"
    url = f"sqlite:///{temp_dir / 'manifest.sqlite3'}"

    def chain() -> list[AuditRecord]:
        with closing(open_store(url)) as store:
            records, head = store.audit.read_chain("replica-0", after=None, limit=100)
        assert head is not None
        assert head.hash == records[-1].hash
        return records

    def verify(*options: str) -> int:
        command = [sys.executable, "-m", "csvpipe", "audit", "verify", "--database", *options]
        return subprocess.run(command, env=environment(temp_dir), cwd=tmp_path, capture_output=True).returncode  # noqa: PLW1510  the code is the result

    with running_uploader(temp_dir, replica_name="replica-0") as server:
        send(server)
    last = chain()[-1]
    anchor = f"replica-0:{last.sequence}:{last.hash}"
    assert verify("--anchor", anchor) == 0
    delete_database(temp_dir / "manifest.sqlite3")
    assert recover(temp_dir).returncode == 0
    started, ended = chain()
    assert (started.action, started.previous_hash, ended.action) == ("recover", FIRST_PREVIOUS_HASH, "recover")
    assert ended.detail == "1 upload restored, 0 not"
    assert (verify(), verify("--anchor", anchor)) == (0, ExitCode.CHECK_FAILED)


@pytest.mark.parametrize("lose", [delete_database, truncate_database])
def test_uploader_with_a_lost_database_refuses_uploads_until_recovery(
    tmp_path: Path, lose: Callable[[Path], None]
) -> None:
    temp_dir = tmp_path / "chunks"
    with running_uploader(temp_dir, replica_name="replica-0") as server:
        upload_id = send(server).json()["upload_id"]
    lose(temp_dir / "manifest.sqlite3")
    with running_uploader(temp_dir, replica_name="replica-0") as server:
        assert get(server, "/health").status_code == 200
        wait_until(partial(is_lost, server, upload_id), what="/ready names the upload", deadline_s=60)
        assert send(server).json()["code"] == "manifest_lost"
        assert get(server, f"/chunks/{upload_id}/1/download").status_code == 503
    assert recover(temp_dir).returncode == 0
    with running_uploader(temp_dir, replica_name="replica-0") as server:
        assert get(server, f"/chunks/{upload_id}/1/download").status_code == 200
        assert send(server).status_code == 202


def test_older_copy_of_the_database_is_detected_and_updated(tmp_path: Path) -> None:
    temp_dir, backup = tmp_path / "chunks", tmp_path / "backup.sqlite3"
    with running_uploader(temp_dir, replica_name="replica-0") as server:
        older = send(server).json()["upload_id"]
    shutil.copyfile(temp_dir / "manifest.sqlite3", backup)
    with running_uploader(temp_dir, replica_name="replica-0", cleanup_after_hours=0, intervals=FAST) as server:
        newer = send(server).json()["upload_id"]
        land(server, older, 1)
        wait_until(
            lambda: get(server, f"/uploads/{older}/status").json()["chunk_counts"].get("cleaned") == 1,
            what="it is cleaned",
            deadline_s=60,
        )
    shutil.copyfile(backup, temp_dir / "manifest.sqlite3")
    with running_uploader(temp_dir, replica_name="replica-0") as server:
        wait_until(lambda: is_lost(server, newer), what="/ready names the upload", deadline_s=60)
        assert send(server).json()["code"] == "manifest_lost"
    finished = recover(temp_dir, "--json")
    assert (finished.returncode, outcomes(finished)) == (0, {"restored": 1, "known": 1}), finished.stderr
    with running_uploader(temp_dir, replica_name="replica-0") as server:
        assert get(server, f"/uploads/{older}/status").json()["chunk_counts"]["cleaned"] == 1
        assert get(server, f"/uploads/{newer}/status").status_code == 200


def test_replaced_postgresql_database_is_detected_and_recovered(tmp_path: Path, postgres: PostgresServer) -> None:
    temp_dir, url, other = tmp_path / "chunks", postgres.new_database(), postgres.new_database()
    open_store(other).close()
    with running_uploader(temp_dir, replica_name="replica-0", database_url=url) as server:
        upload_id = send(server, key="key").json()["upload_id"]
        postgres.replace(url, other)
        wait_until(lambda: is_lost(server, "its id was"), what="it is noticed", deadline_s=60)
        assert send(server).json()["code"] == "manifest_lost"
    with running_uploader(temp_dir, replica_name="replica-0", database_url=url) as server:
        wait_until(partial(is_lost, server, upload_id), what="/ready names the upload", deadline_s=60)
    assert recover(temp_dir, DATABASE_URL=url).returncode == 0
    with running_uploader(temp_dir, replica_name="replica-0", database_url=url) as server:
        assert send(server, key="key").json()["upload_id"] == upload_id


class TestCommand:
    def make(self, temp_dir: Path, number: int = 1, **given: Any) -> list[str]:
        """Lay uploads on the disk that no database knows; return their ids."""
        made = []
        for _ in range(number):
            upload, chunks = upload_records(at=SettableClock().now, **given)
            directory = temp_dir / upload.upload_id
            write_chunks(directory, cut_result())
            write_manifest(directory, dump_manifest(upload, chunks))
            made.append(upload.upload_id)
        return made

    @pytest.fixture(params=["sqlite", "postgresql"])
    def database(self, request: pytest.FixtureRequest) -> dict[str, str]:
        if request.param == "sqlite":
            return {}
        server: PostgresServer = request.getfixturevalue("postgres")
        return {"DATABASE_URL": server.new_database()}

    def test_dry_run_reports_and_changes_nothing(self, tmp_path: Path, database: dict[str, str]) -> None:
        temp_dir = tmp_path / "chunks"
        self.make(temp_dir, 3)
        before = sorted(temp_dir.rglob("*"))
        finished = recover(temp_dir, "--dry-run", "--json", **database)
        assert (finished.returncode, outcomes(finished)) == (0, {"restored": 3}), finished.stderr
        assert sorted(temp_dir.rglob("*")) == before
        assert outcomes(recover(temp_dir, "--json", **database)) == {"restored": 3}
        assert outcomes(recover(temp_dir, "--json", **database)) == {"known": 3}

    def test_chunk_states_follow_from_the_disk(self, tmp_path: Path, database: dict[str, str]) -> None:
        temp_dir = tmp_path / "chunks"
        [upload_id] = self.make(temp_dir)
        names = sorted(path.name for path in (temp_dir / upload_id).glob("*.csv"))
        (temp_dir / upload_id / names[1]).unlink()
        (temp_dir / upload_id / names[2]).rename(temp_dir / upload_id / f"{names[2]}.cleaned")
        (temp_dir / upload_id / LOCK_FILE).touch()
        finished = recover(temp_dir, "--json", **database)
        [found] = json.loads(finished.stdout)["uploads"]
        assert found["chunks"] == {"stored": 1, "failed": 1, "cleaned": 1}
        assert found["notes"] == ["chunk 2: its file is missing from the uploader's disk"]
        assert not (temp_dir / upload_id / LOCK_FILE).exists()

    def test_idempotency_key_stays_with_its_new_upload(self, tmp_path: Path, database: dict[str, str]) -> None:
        temp_dir = tmp_path / "chunks"
        self.make(temp_dir, 2, key="the-key")
        finished = recover(temp_dir, "--json", **database)
        assert outcomes(finished) == {"restored": 2}
        notes = [note for each in json.loads(finished.stdout)["uploads"] for note in each["notes"]]
        assert notes == ["its Idempotency-Key belongs to another upload now"]

    @pytest.mark.parametrize(
        ("content", "outcome", "text"),
        [
            (None, "no_manifest", "no manifest"),
            (b"", "unreadable", "is damaged"),
            (b'{"version": 1, "upload": {}}', "unreadable", "is damaged"),
            (b'{"version": 2}', "unreadable", "is damaged"),
        ],
    )
    def test_unrecoverable_directory_is_named_and_others_are_restored(
        self, tmp_path: Path, content: bytes | None, outcome: str, text: str
    ) -> None:
        temp_dir = tmp_path / "chunks"
        self.make(temp_dir, 2)
        bad = temp_dir / ("f" * 32)
        bad.mkdir()
        if content is not None:
            (bad / MANIFEST_FILE).write_bytes(content)
        finished = recover(temp_dir, "--json")
        assert outcomes(finished) == {"restored": 2, outcome: 1}
        assert finished.returncode == 1
        assert text in json.loads(finished.stdout)["uploads"][-1]["notes"][0]
        assert "move those away" in finished.stderr

    def test_manifest_of_another_upload_is_rejected(self, tmp_path: Path) -> None:
        temp_dir = tmp_path / "chunks"
        [upload_id] = self.make(temp_dir)
        (temp_dir / upload_id).rename(temp_dir / ("e" * 32))
        assert outcomes(recover(temp_dir, "--json")) == {"unreadable": 1}

    def test_recovery_refuses_to_run_next_to_an_uploader(self, tmp_path: Path) -> None:
        temp_dir = tmp_path / "chunks"
        with running_uploader(temp_dir):
            finished = recover(temp_dir)
            assert finished.returncode == 78
            assert "an uploader is using" in finished.stderr
        assert recover(temp_dir).returncode == 0

    def test_missing_directory_is_named(self, tmp_path: Path) -> None:
        finished = recover(tmp_path / "nowhere")
        assert finished.returncode == 78
        assert "nowhere cannot be opened" in finished.stderr

    def test_interrupted_recovery_can_be_repeated(self, tmp_path: Path) -> None:
        temp_dir = tmp_path / "chunks"
        made = self.make(temp_dir, 400)
        # The recovery waits for the last manifest until it is killed, however late that is.
        last = temp_dir / max(made) / MANIFEST_FILE
        manifest = last.read_bytes()
        last.unlink()
        os.mkfifo(last)
        database = temp_dir / "manifest.sqlite3"

        def restored() -> int:
            if not database.exists():
                return 0
            with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
                try:
                    found: int = connection.execute("SELECT count(*) FROM uploads").fetchone()[0]
                except sqlite3.OperationalError:
                    return 0  # no tables yet
            return found

        process = subprocess.Popen(
            [sys.executable, "-m", "csvpipe", "recover"],
            env=environment(temp_dir),
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_until(lambda: restored() > 3, what="some are restored", deadline_s=60, poll_s=0.001)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
        assert process.returncode == -signal.SIGKILL
        last.unlink()
        last.write_bytes(manifest)
        done = restored()
        assert 0 < done < len(made)
        assert outcomes(recover(temp_dir, "--json")) == {"restored": len(made) - done, "known": done}
        with closing(open_store(f"sqlite:///{database}")) as store:
            assert set(store.uploads.find_many(made)) == set(made)


def test_manifest_file_has_every_field_of_the_database(tmp_path: Path) -> None:
    with running_uploader(tmp_path / "chunks", replica_name="replica-0") as server:
        server.publisher.away = True
        upload_id = send(server, key=uuid.uuid4().hex).json()["upload_id"]
        with closing(open_store(f"sqlite:///{tmp_path / 'chunks' / 'manifest.sqlite3'}")) as store:
            stored = (store.uploads.find(upload_id), store.chunks.read(upload_id)[1])
    delete_database(tmp_path / "chunks" / "manifest.sqlite3")
    assert recover(tmp_path / "chunks").returncode == 0
    with closing(open_store(f"sqlite:///{tmp_path / 'chunks' / 'manifest.sqlite3'}")) as store:
        assert (store.uploads.find(upload_id), store.chunks.read(upload_id)[1]) == stored
