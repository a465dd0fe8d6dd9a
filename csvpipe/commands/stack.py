"""``csvpipe stack``: Kafka, MinIO, NiFi, Airflow and the uploader as processes of this machine."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.table import Table

from contracts.exit_codes import ExitCode
from csvpipe.console import output, print_table
from csvpipe.json_output import JsonOption, print_json
from stack.local import LocalStack
from stack.process import ManagedProcess, probe
from stack.report import NAME_WIDTH, ConsoleReport
from stack.settings import load_settings

app = typer.Typer(
    no_args_is_help=True, help="Run Kafka, MinIO, NiFi, Airflow and the uploader on this machine, without containers."
)

_FOLLOW_POLL_S = 0.3
Components = Annotated[
    list[str] | None,
    typer.Argument(help="minio, kafka, monitoring, nifi, airflow, uploader (default: all).", show_default=False),
]

Secure = Annotated[
    bool | None,
    typer.Option(
        "--secure/--plain", help="Encrypt and authenticate every connection, or not (default: as at the last start)."
    ),
]


@app.command()
def up(
    components: Components = None,
    secure: Secure = None,
) -> None:
    """Download, build and start what is not there yet, and wait until it is ready. Safe to repeat."""
    stack = open_stack(secure)
    stack.start(components)
    _show_status(stack)


@app.command()
def prepare(components: Components = None) -> None:
    """Download and build only; start nothing."""
    open_stack().prepare(components)


@app.command()
def status(*, as_json: JsonOption = False) -> None:
    """Show what runs and where. Exit code 1 when something is not running or not ready."""
    stack = open_stack()
    if as_json:
        processes = process_states(stack)
        print_json(status_document(stack, processes))
        all_ready = all(each.is_ready for each in processes)
    else:
        all_ready = _show_status(stack)
    raise typer.Exit(ExitCode.OK if all_ready else ExitCode.CHECK_FAILED)


@app.command()
def logs(
    process: Annotated[
        str | None, typer.Argument(help="Process, such as kafka or airflow-scheduler (default: all).")
    ] = None,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="Number of lines, from the end.")] = 40,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Follow new lines.")] = False,
) -> None:
    """Print the end of the processes' logs."""
    stack = open_stack()
    chosen = [stack.process(process)] if process else stack.all_processes()
    for each in chosen:
        output().print(f"[bold]== {each.log}[/]")
        output().print(each.log_tail(lines), markup=False)
    if follow:
        _follow(chosen)


@app.command()
def restart(component: Annotated[str, typer.Argument(help="Component, such as kafka.")]) -> None:
    """Stop one component and start it again."""
    open_stack().restart(component)


@app.command()
def down(components: Components = None) -> None:
    """Stop everything (or the named components), in the reverse order of the start. Data stays."""
    open_stack().stop(components)


@app.command()
def prometheus() -> None:
    """Print a configuration of Prometheus that scrapes this stack, with the alert rules of monitoring/."""
    from stack.prometheus_config import local_config

    # Not by rich, which would break long lines.
    typer.echo(local_config(open_stack().context), nl=False)


@app.command()
def reset(yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False) -> None:
    """Stop everything and delete its data, logs and configuration. Downloads and builds stay."""
    stack = open_stack()
    if not yes:
        typer.confirm(f"Delete all data, logs and configuration in {stack.root}?", abort=True)
    stack.reset()


def open_stack(secure: bool | None = None) -> LocalStack:
    """Return the stack of this checkout, with the settings from the environment."""
    settings = load_settings()
    if secure is not None:
        settings = settings.model_copy(update={"secure": secure})
    return LocalStack(settings=settings, report=ConsoleReport())


@dataclass(frozen=True)
class ProcessState:
    """A process of a component, and its state: ``ready``, ``stopped``, ``DEAD`` or ``not ready`` with the reason."""

    component: str
    process: ManagedProcess
    state: str

    @property
    def is_ready(self) -> bool:
        """Whether it does its work."""
        return self.state == "ready"


def process_states(stack: LocalStack) -> list[ProcessState]:
    """Return the state of every process of ``stack``."""
    return [
        ProcessState(component.name, process, _state(process, probe(spec.ready) if process.pid else None))
        for component in stack.components.values()
        for spec in component.processes()
        for process in [stack.context.process(component.name, spec.name)]
    ]


def status_document(stack: LocalStack, processes: list[ProcessState]) -> dict[str, object]:
    """Return the states of ``processes`` and the addresses of the components, for ``--json``."""
    return {
        "ready": all(each.is_ready for each in processes),
        "processes": [
            {
                "component": each.component,
                "name": each.process.name,
                "ready": each.is_ready,
                "state": each.state,
                "pid": each.process.pid,
                "started_at": each.process.started_at and each.process.started_at.isoformat(),
            }
            for each in processes
        ],
        "components": [
            {"name": each.name, "addresses": each.addresses(), "description": each.description()}
            for each in stack.components.values()
        ],
    }


def _show_status(stack: LocalStack) -> bool:
    """Print a line for each process, then each component's addresses; return whether all do their work."""
    table = Table("process", "state", "pid", "up for", box=None, pad_edge=False, header_style="bold")
    processes = process_states(stack)
    for each in processes:
        table.add_row(each.process.name, each.state, str(each.process.pid or ""), _age(each.process))
    print_table(table)
    output().print()
    for component in stack.components.values():
        facts = [f"{label} {address}" for label, address in component.addresses().items()]
        output().print(f"{component.name:<{NAME_WIDTH}} {' · '.join([*facts, component.description()])}")
    return all(each.is_ready for each in processes)


def _state(process: ManagedProcess, missing: str | None) -> str:
    if process.started_at is None:
        return "stopped"
    if process.pid is None:
        return "DEAD"
    return "ready" if missing is None else f"not ready: {missing}"


def _age(process: ManagedProcess) -> str:
    if process.started_at is None:
        return ""
    minutes = int((datetime.now(UTC) - process.started_at).total_seconds() // 60)
    return f"{minutes // 60} h {minutes % 60:02d}" if minutes >= 60 else f"{minutes} min"


def _follow(processes: list[ManagedProcess]) -> None:
    width = max((len(process.name) for process in processes), default=0)
    files = [(process.name, process.log.open(errors="replace")) for process in processes if process.log.exists()]
    for _, file in files:
        deque(file, maxlen=0)
    try:
        while True:
            for name, file in files:
                for line in file:
                    output().print(f"{name:<{width}} | {line.rstrip()}", markup=False)
            time.sleep(_FOLLOW_POLL_S)
    except KeyboardInterrupt:
        return
    finally:
        for _, file in files:
            file.close()
