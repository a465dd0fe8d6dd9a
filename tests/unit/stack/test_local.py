"""Order of start and stop, and failures, with fake components."""

from __future__ import annotations

import shutil
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from stack.component import ProcessSpec, Report
from stack.errors import PrepareError, StackBusyError, StackModeError
from stack.local import LocalStack
from stack.settings import StackSettings
from tests.support.waiting import wait_until


class FakeComponent:
    """Records the calls of its methods."""

    def __init__(
        self,
        name: str,
        notes: list[str],
        *,
        needs: tuple[str, ...] = (),
        fails: bool = False,
        specs: Sequence[ProcessSpec] = (),
    ) -> None:
        self.name = name
        self._specs = specs
        self.needs = needs
        self._notes = notes
        self._fails = fails

    def prepare(self, report: Report) -> None:
        if self._fails:
            raise PrepareError("no network\nsecond line")
        self._notes.append(f"prepare {self.name}")

    def configure(self) -> None:
        self._notes.append(f"configure {self.name}")

    def processes(self) -> list[ProcessSpec]:
        return list(self._specs)

    def after_start(self, report: Report) -> None:
        self._notes.append(f"complete {self.name}")

    def addresses(self) -> dict[str, str]:
        return {}

    def description(self) -> str:
        return "a fake"


def _stack(root: Path, *components: FakeComponent, said: list[str] | None = None) -> LocalStack:
    def report(name: str, text: str) -> None:
        (said if said is not None else []).append(f"{name}: {text}")

    stack = LocalStack(root=root, settings=StackSettings.on_free_ports(_env_file=None), report=report)
    stack.components = {component.name: component for component in components}
    return stack


def test_dependency_is_started_first(tmp_path: Path) -> None:
    notes: list[str] = []
    stack = _stack(tmp_path, FakeComponent("broker", notes), FakeComponent("client", notes, needs=("broker",)))
    stack.start(["client"])
    assert notes.index("complete broker") < notes.index("complete client")


def _stack_in_mode(root: Path, *, secure: bool | None, specs: Sequence[ProcessSpec] = ()) -> LocalStack:
    stack = LocalStack(root=root, settings=StackSettings.on_free_ports(_env_file=None, secure=secure))
    stack.components = {"web": FakeComponent("web", [], specs=specs)}
    return stack


def test_later_commands_find_the_mode_of_the_last_start(tmp_path: Path) -> None:
    _stack_in_mode(tmp_path, secure=True).start()
    _stack_in_mode(tmp_path, secure=None).start()
    found = LocalStack(root=tmp_path, settings=StackSettings.on_free_ports(_env_file=None))
    assert found.context.secure
    assert found.context.certificates.files("uploader").key.exists()
    found.reset()
    assert not found.context.secure


def test_running_stack_does_not_change_its_mode(tmp_path: Path) -> None:
    stack = _stack_in_mode(tmp_path, secure=False, specs=[_idle("web", tmp_path)])
    stack.start()
    try:
        with pytest.raises(StackModeError, match="without TLS"):
            _stack_in_mode(tmp_path, secure=True).start()
        assert not _stack_in_mode(tmp_path, secure=True).context.secure
    finally:
        stack.stop()
    changed = LocalStack(root=tmp_path, settings=StackSettings.on_free_ports(_env_file=None, secure=True))
    changed.start([])
    assert changed.context.secure


def _idle(name: str, cwd: Path, *, after: tuple[str, ...] = ()) -> ProcessSpec:
    argv = [sys.executable, "-c", "import signal; signal.pause()"]
    return ProcessSpec(name=name, argv=argv, cwd=cwd, ready=lambda: None, after=after, stop_timeout_s=5)


def test_only_the_dependent_process_waits_for_another_component(tmp_path: Path) -> None:
    said: list[str] = []

    class Slow(FakeComponent):
        def after_start(self, report: Report) -> None:
            wait_until(lambda: any("starting first" in text for text in said), what="the first one", deadline_s=20)
            super().after_start(report)

    notes: list[str] = []
    specs = [_idle("first", tmp_path), _idle("last", tmp_path, after=("store", "broker"))]
    stack = _stack(tmp_path, Slow("store", notes), FakeComponent("engine", notes, specs=specs), said=said)
    try:
        stack.start()
        places = {text.split(" (pid")[0]: place for place, text in enumerate(said)}
        assert places["engine: starting first"] < places["store: ready"] < places["engine: starting last"]
    finally:
        stack.stop()


def test_waiting_for_another_component_does_not_start_it(tmp_path: Path) -> None:
    notes: list[str] = []
    specs = [_idle("last", tmp_path, after=("store",))]
    stack = _stack(tmp_path, FakeComponent("store", notes), FakeComponent("engine", notes, specs=specs))
    try:
        stack.start(["engine"])
        assert stack.process("last").pid
    finally:
        stack.stop()
    assert "complete store" not in notes


def test_failure_is_reported_immediately_and_stops_only_dependents(tmp_path: Path) -> None:
    notes: list[str] = []
    said: list[str] = []
    stack = _stack(
        tmp_path,
        FakeComponent("broker", notes, fails=True),
        FakeComponent("client", notes, needs=("broker",)),
        FakeComponent("store", notes),
        said=said,
    )
    with pytest.raises(PrepareError, match="no network"):
        stack.start()
    assert "complete store" in notes
    assert "complete client" not in notes
    assert "broker: FAILED: no network" in said
    assert "client: FAILED: not started, because broker failed" in said


def test_components_are_prepared_in_parallel(tmp_path: Path) -> None:
    both_at_work = threading.Barrier(2, timeout=20)

    class Meeting(FakeComponent):
        def prepare(self, report: Report) -> None:
            both_at_work.wait()

    notes: list[str] = []
    said: list[str] = []
    _stack(tmp_path, Meeting("one", notes), Meeting("two", notes, needs=("one",)), said=said).prepare()
    assert not both_at_work.broken
    assert sorted(said) == ["one: prepared", "two: prepared"]


def test_second_command_on_the_same_stack_is_refused(tmp_path: Path) -> None:
    other = _stack(tmp_path)

    class Nosy(FakeComponent):
        def configure(self) -> None: ...

        def after_start(self, report: Report) -> None:
            with pytest.raises(StackBusyError, match="another command"):
                other.stop()
            self._notes.append("refused")

    notes: list[str] = []
    _stack(tmp_path, Nosy("one", notes)).start()
    assert notes == ["prepare one", "refused"]


def test_reset_holds_the_lock_until_all_is_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "run"
    stack, other = _stack(root), _stack(root)
    (stack.context.root / "data").mkdir()
    delete = shutil.rmtree
    deleted: list[str] = []

    def delete_beside_another_command(path: Path, **options: Any) -> None:
        if (root / "data").exists():
            with pytest.raises(StackBusyError):
                other.start()
        deleted.append(path.name)
        delete(path, **options)

    monkeypatch.setattr(shutil, "rmtree", delete_beside_another_command)
    stack.reset()
    assert "data" in deleted
    assert not root.exists()


def test_empty_list_of_names_starts_nothing(tmp_path: Path) -> None:
    notes: list[str] = []
    stack = _stack(tmp_path, FakeComponent("one", notes))
    stack.prepare([])
    stack.start([])
    stack.stop([])
    assert notes == []


def test_free_ports_stay_the_same_for_the_same_root(tmp_path: Path) -> None:
    first = _stack(tmp_path).context
    second = _stack(tmp_path).context
    assert first.settings.ports() == second.settings.ports()
    assert len(set(first.settings.ports().values())) == len(first.settings.ports())
    assert first.secrets == second.secrets


def test_secrets_are_readable_only_by_their_owner(tmp_path: Path) -> None:
    root = _stack(tmp_path).context.root
    assert (root / "secrets.json").stat().st_mode & 0o077 == 0


def test_given_password_replaces_the_generated_one(tmp_path: Path) -> None:
    made = _stack(tmp_path).context.secrets
    settings = StackSettings.on_free_ports(_env_file=None, minio_root_password="of my own")
    given = LocalStack(root=tmp_path, settings=settings).context.secrets
    assert given.minio_root_password.get_secret_value() == "of my own"
    assert given.airflow_jwt_secret == made.airflow_jwt_secret
    assert _stack(tmp_path).context.secrets == given
