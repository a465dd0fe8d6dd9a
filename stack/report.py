"""Progress report of the stack: one line per step, with elapsed time and component."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import TextIO

NAME_WIDTH = 10
"""Width of the column for component names. The longest is ``monitoring``."""


class ConsoleReport:
    """Writes lines such as ``[ 12.3 s] kafka     ready``. Thread-safe."""

    def __init__(self, output: TextIO | None = None) -> None:
        self._output = output
        self._started = time.monotonic()
        self._lock = threading.Lock()

    def __call__(self, component: str, text: str) -> None:
        """Write one line."""
        with self._lock:
            elapsed_s = time.monotonic() - self._started
            print(f"[{elapsed_s:6.1f} s] {component:<{NAME_WIDTH}} {text}", file=self._output or sys.stdout, flush=True)


StackReport = Callable[[str, str], None]
"""Called with a component's name and a line of text."""


def silent(_component: str, _text: str) -> None:
    """Report nothing."""
