"""Runs all checks side by side, each for a limited time."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from contracts.errors import CsvPipeError
from csvpipe.doctor.finding import Check, Diagnosis, Finding, Verdict


def run_checks(checks: Sequence[Check], *, timeout_s: float) -> list[Diagnosis]:
    """Return what each check found within ``timeout_s``, in the order of ``checks``."""
    running = [_RunningCheck(check) for check in checks]
    deadline_s = time.monotonic() + timeout_s
    return [each.diagnosis(deadline_s, timeout_s=timeout_s) for each in running]


class _RunningCheck:
    """A check in a thread of its own. Nobody waits for the thread: a client may be stuck in a call."""

    def __init__(self, check: Check) -> None:
        self._check = check
        self._findings: list[Finding] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def diagnosis(self, deadline_s: float, *, timeout_s: float) -> Diagnosis:
        """Return what was found until ``deadline_s`` on the monotonic clock."""
        self._thread.join(max(0.0, deadline_s - time.monotonic()))
        is_late = self._thread.is_alive()
        found = tuple(self._findings)
        if is_late:
            text = f"no answer within {timeout_s:g} s"
            found += (Finding("time", Verdict.FAILED, text, "check the address, firewalls and proxies, or --timeout"),)
        return Diagnosis(self._check.service, found)

    def _run(self) -> None:
        try:
            for finding in self._check.run():
                self._findings.append(finding)
        except CsvPipeError as error:
            self._findings.append(Finding(error.title.lower(), Verdict.FAILED, f"{error.detail} [{error.code}]"))
        except Exception as error:  # noqa: BLE001  one check must not end the others, and its error is shown
            text = f"{type(error).__name__}: {error}"
            self._findings.append(Finding("internal error", Verdict.FAILED, text, "report it as a fault of csvpipe"))
