"""The local stack: start, find, restart and stop real processes."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from stack import ports
from stack.errors import PortTakenError, ProcessDiedError, UnknownNameError
from stack.local import LocalStack
from stack.ports import free_ports, is_free
from stack.process import ManagedProcess, ProcessSpec, has_threads
from tests.support.services import KafkaBroker, MinioServer, running_stack, settings_on_free_ports
from tests.support.waiting import wait_until

_TOUCH = "pathlib.Path('{}').touch()"


def test_topics_and_bucket_exist(kafka_broker: KafkaBroker, minio: MinioServer) -> None:
    from confluent_kafka.admin import AdminClient

    topics = AdminClient({"bootstrap.servers": kafka_broker.bootstrap}).list_topics(timeout=10).topics
    assert len(topics["csv-ingestion"].partitions) == 3
    assert [bucket["Name"] for bucket in minio.client().list_buckets()["Buckets"]] == ["raw"]


def test_second_start_keeps_the_running_process(minio: MinioServer) -> None:
    pid = minio.stack.process("minio").pid
    other = LocalStack(root=minio.stack.root, settings=settings_on_free_ports())
    other.start(["minio"])
    assert other.process("minio").pid == pid


def test_killed_process_is_started_again_with_its_data(tmp_path: Path) -> None:
    with running_stack(tmp_path, ["minio"]) as stack:
        server = MinioServer(stack, "minio")
        server.client().put_object(Bucket="raw", Key="a", Body=b"1")
        server.kill()
        assert stack.process("minio").pid is None
        server.start()
        assert server.client().get_object(Bucket="raw", Key="a")["Body"].read() == b"1"
    assert stack.all_processes() == []


def test_stack_starts_on_another_address(tmp_path: Path) -> None:
    with running_stack(tmp_path, ["minio"], host="127.0.0.2") as stack:
        server = MinioServer(stack, "minio")
        assert [bucket["Name"] for bucket in server.client().list_buckets()["Buckets"]] == ["raw"]


def test_unknown_component_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="redis"):
        LocalStack(root=tmp_path, settings=settings_on_free_ports()).start(["redis"])


@pytest.fixture
def process(tmp_path: Path) -> Iterator[ManagedProcess]:
    managed = ManagedProcess("sample", pid_dir=tmp_path / "pids", log_dir=tmp_path / "logs")
    yield managed
    managed.stop()


def _spec(tmp_path: Path, code: str, *, marker: Path | None = None, ports: tuple[int, ...] = ()) -> ProcessSpec:
    return ProcessSpec(
        name="sample",
        argv=[sys.executable, "-c", code],
        cwd=tmp_path,
        ready=lambda: None if marker is not None and marker.exists() else "no marker yet",
        ports=ports,
        deadline_s=120,
        stop_timeout_s=1,
    )


def test_death_before_readiness_shows_end_of_log(tmp_path: Path, process: ManagedProcess) -> None:
    spec = _spec(tmp_path, "print('cannot open the vault'); raise SystemExit(3)")
    process.start(spec)
    with pytest.raises(ProcessDiedError, match=r"(?s)with code 3.*cannot open the vault"):
        process.wait_ready(spec)


def test_process_that_ignores_term_is_killed(tmp_path: Path, process: ManagedProcess) -> None:
    marker = tmp_path / "deaf"
    code = f"import signal, pathlib; signal.signal(15, signal.SIG_IGN); {_TOUCH.format(marker)}; signal.pause()"
    spec = _spec(tmp_path, code, marker=marker)
    pid = process.start(spec)
    process.wait_ready(spec)
    said: list[str] = []
    assert process.stop(said.append)
    (line,) = said
    assert "sample" in line
    assert "KILL" in line
    assert not psutil.pid_exists(pid)


def test_stop_ends_orphaned_descendants(tmp_path: Path, process: ManagedProcess) -> None:
    marker = tmp_path / "grandchild"
    code = (
        "import subprocess, sys, pathlib, signal; "
        "child = subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'], start_new_session=True); "
        f"path = pathlib.Path({str(marker)!r}); (tmp := path.with_suffix('.tmp')).write_text(str(child.pid)); "
        "tmp.rename(path); signal.pause()"
    )
    spec = _spec(tmp_path, code, marker=marker)
    process.start(spec)
    process.wait_ready(spec)
    grandchild = int(marker.read_text())
    process.kill(signal.SIGKILL)
    assert psutil.pid_exists(grandchild)
    process.stop()
    wait_until(lambda: not psutil.pid_exists(grandchild), what="the orphan is gone", deadline_s=120)


_STARTER_KILLED_AFTER_POPEN = """
import os, signal, subprocess, sys
from pathlib import Path
from stack.ports import free_ports, is_free
from stack.process import ManagedProcess, ProcessSpec, has_threads

started = subprocess.Popen

def start_and_be_killed(*arguments, **options):
    started(*arguments, **options)
    os.kill(os.getpid(), signal.SIGKILL)

subprocess.Popen = start_and_be_killed
root = Path(sys.argv[1])
argv = [sys.executable, "-c", "import signal; signal.pause()"]
spec = ProcessSpec(name="sample", argv=argv, cwd=root, ready=lambda: None)
ManagedProcess("sample", pid_dir=root / "pids", log_dir=root / "logs").start(spec)
"""


def test_process_whose_starter_was_killed_is_found_and_stopped(tmp_path: Path, process: ManagedProcess) -> None:
    starter = subprocess.run([sys.executable, "-c", _STARTER_KILLED_AFTER_POPEN, str(tmp_path)], check=False)
    assert starter.returncode == -signal.SIGKILL
    assert process.started_at is not None
    pid = process.pid
    assert pid is not None
    assert process.stop()
    assert not psutil.pid_exists(pid)
    assert not process.stop()


def test_process_with_a_damaged_pid_file_is_found_and_stopped(tmp_path: Path, process: ManagedProcess) -> None:
    pid = process.start(_spec(tmp_path, "import signal; signal.pause()"))
    (tmp_path / "pids" / "sample.json").write_text("")
    assert process.pid == pid
    assert process.stop()
    assert not psutil.pid_exists(pid)


def test_missing_program_counts_as_not_started(tmp_path: Path, process: ManagedProcess) -> None:
    with pytest.raises(FileNotFoundError):
        process.start(replace(_spec(tmp_path, ""), argv=["/nowhere/program"]))
    assert process.started_at is None


def test_process_with_a_reused_pid_is_not_stopped(tmp_path: Path, process: ManagedProcess) -> None:
    marker = tmp_path / "up"
    spec = _spec(tmp_path, f"import pathlib, signal; {_TOUCH.format(marker)}; signal.pause()", marker=marker)
    process.start(spec)
    process.wait_ready(spec)
    with subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"]) as stranger:
        try:
            file = tmp_path / "pids" / "sample.json"
            record = json.loads(file.read_text())
            file.write_text(json.dumps({**record, "pid": stranger.pid, "started_at": record["started_at"] - 3600}))
            assert process.pid is None
            process.stop()
            assert stranger.poll() is None
        finally:
            stranger.kill()


def test_port_used_on_another_address_is_free(tmp_path: Path, process: ManagedProcess) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        spec = replace(_spec(tmp_path, "", ports=(holder.getsockname()[1],)), host="127.0.0.2")
        assert process.start(spec)


def test_used_port_is_reported_with_its_process(tmp_path: Path, process: ManagedProcess) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        with pytest.raises(PortTakenError, match=rf"port {port}\b.* pid {os.getpid()} \("):
            process.start(_spec(tmp_path, "", ports=(port,)))


LEADERLESS = """
import ctypes, socket, sys, threading
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
threading.Thread(target=listener.accept).start()
print("listening", flush=True)
ctypes.CDLL(None).pthread_exit(None)
"""


@pytest.fixture
def leaderless() -> Iterator[tuple[psutil.Process, int]]:
    """Give a process whose first thread has ended, as those of a killed process do one by one, and its port."""
    (port,) = free_ports(1)
    with subprocess.Popen([sys.executable, "-c", LEADERLESS, str(port)], stdout=subprocess.PIPE) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"listening\n"
            process = psutil.Process(holder.pid)
            wait_until(
                lambda: process.status() == psutil.STATUS_ZOMBIE, what="its first thread has ended", deadline_s=60
            )
            assert holder.poll() is None
            yield process, port
        finally:
            holder.kill()


def test_process_runs_until_its_last_thread_has_ended(leaderless: tuple[psutil.Process, int]) -> None:
    holder, port = leaderless
    assert has_threads(holder)
    assert not is_free(port)
    holder.kill()
    wait_until(lambda: not has_threads(holder), what="it has ended", deadline_s=60, poll_s=0)
    assert is_free(port)


def test_port_of_a_process_that_is_ending_is_waited_for(
    tmp_path: Path, process: ManagedProcess, leaderless: tuple[psutil.Process, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    holder, port = leaderless
    looks: list[bool] = []

    def look(port: int, *, host: str) -> bool:
        looks.append(is_free(port, host=host))
        holder.kill()
        return looks[-1]

    monkeypatch.setattr(ports, "is_free", look)
    assert process.start(_spec(tmp_path, "", ports=(port,)))
    assert (looks[0], looks[-1]) == (False, True)
