"""Fakes of programs that scripts call. They record their calls and return prepared results."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_FAKE = """#!{python} -IS
import json, sys
from pathlib import Path
here = Path(__file__).resolve().parent.parent
name = Path(sys.argv[0]).name
call = " ".join([name, *sys.argv[1:]])
given = sys.stdin.read() if "--password-stdin" in sys.argv else ""
with (here / "calls.jsonl").open("a") as calls:
    calls.write(json.dumps([call, given]) + "\\n")
sys.stderr.write(f"this is a fake {{name}}\\n")
made = [json.loads(line)[0] for line in (here / "calls.jsonl").read_text().splitlines()]
for number, (part, answers, earlier, times) in enumerate(json.loads((here / "answers.json").read_text())):
    if part in call and sum(earlier in each for each in made) >= times:
        used = here / f"used-{{number}}"
        count = len(used.read_text()) if used.exists() else 0
        used.write_text("x" * (count + 1))
        code, out = answers[min(count, len(answers) - 1)]
        sys.stdout.write(out)
        sys.exit(code)
"""


@dataclass(frozen=True)
class Ended:
    """The result of a script."""

    code: int
    out: str
    err: str


class FakePrograms:
    """Programs in a directory that comes first on the PATH, or, with ``alone``, is all of it but for the named ones.

    Args:
        directory: an empty one.
        names: the programs that are faked.
    """

    def __init__(self, directory: Path, *names: str) -> None:
        self._directory = directory
        self._bin = directory / "bin"
        self._bin.mkdir(parents=True)
        self._answers: list[tuple[str, list[tuple[int, str]], str, int]] = []
        for name in names:
            program = self._bin / name
            program.write_text(_FAKE.format(python=sys.executable))
            program.chmod(0o755)
        self.answer("nothing is called like this")

    def answer(self, part: str, *answers: str | int, after: tuple[str, int] = ("", 0)) -> None:
        """Answer calls that contain ``part``: a text is the output, a number the exit code; the last one for good.

        Args:
            part: what stands in the call. What was told first holds.
            answers: one a call.
            after: a part of other calls, and how many of them must have been made before this answer holds.
        """
        given = [(a, "") if isinstance(a, int) else (0, a) for a in answers] or [(0, "")]
        self._answers.append((part, given, *after))
        (self._directory / "answers.json").write_text(json.dumps(self._answers))

    def run(self, *argv: str | Path, alone: tuple[str, ...] = (), typed: str = "", **environment: str) -> Ended:
        """Run a script with the fakes.

        Args:
            argv: the script and its arguments.
            alone: what of the machine's programs it may see beside them.
            typed: what somebody answers; empty: nobody is there.
            environment: more variables.
        """
        path = f"{self._bin}:{os.environ['PATH']}"
        if alone:
            for name in alone:
                (self._bin / name).symlink_to(Path("/usr/bin") / name)
            path = str(self._bin)
        env = {**os.environ, "PATH": path, **environment}
        done = subprocess.run(
            [str(a) for a in argv], env=env, capture_output=True, check=False, text=True, input=typed and f"{typed}\n"
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    @property
    def calls(self) -> list[str]:
        """Every call, in order, as one line."""
        return [call for call, _ in self._recorded()]

    @property
    def passwords(self) -> list[str]:
        """What was given on standard input where a password was asked for."""
        return [given for _, given in self._recorded() if given]

    def called(self, part: str) -> list[str]:
        """Return the calls that contain ``part``."""
        return [call for call in self.calls if part in call]

    def _recorded(self) -> list[tuple[str, str]]:
        recorded = self._directory / "calls.jsonl"
        lines = recorded.read_text().splitlines() if recorded.exists() else []
        return [(call, given) for call, given in map(json.loads, lines)]
