"""One process of the stack: started in a session of its own, known by pid and start time, stopped in order."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from stack.errors import NotReadyError, ProcessDiedError

_INHERITED = ("HOME", "LANG", "LC_ALL", "PATH", "SSL_CERT_FILE", "TMPDIR", "TZ", "USER")
_LOG_TAIL_LINES = 40
_POLL_S = 0.2


@dataclass(frozen=True, kw_only=True)
class ProcessSpec:
    """How to run one process.

    Attributes:
        name: unique in the stack, such as ``kafka`` or ``airflow-scheduler``.
        argv: the command. It must not fork away: the started pid is the process.
        env: added to a small inherited base (PATH, HOME ...), so that a developer's variables do not leak in.
        cwd: working directory, made if missing.
        ready: returns None once the process does its work, else one line that says what is still missing. It asks the
            process itself (an API call, a metadata request), never its log. May raise OSError for "no answer yet".
        deadline_s: time to become ready.
        stop_timeout_s: time between TERM and KILL.
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path
    ready: Callable[[], str | None]
    deadline_s: float = 60.0
    stop_timeout_s: float = 20.0
