"""Entry point of ``csvpipe``: runs one command and turns its errors into exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from contracts.errors import CsvPipeError
from contracts.exit_codes import INTERRUPTED
from contracts.printable import printable
from csvpipe.extras import import_with_hint

_COMPLETING = "_CSVPIPE_COMPLETE"
"""Variable by which the script of a shell asks for completions of a line."""
_LINES = ("COMP_WORDS", "_TYPER_COMPLETE_ARGS")
"""Variables with that line: of bash, and of the other shells."""

_IN_THE_MESSAGE = frozenset({"expected", "found", "hint"})


def main(arguments: Sequence[str] | None = None) -> None:
    """Run ``csvpipe`` with ``arguments`` (default: those of the process) and exit."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    completing = _COMPLETING in os.environ
    try:
        application = import_with_hint("csvpipe.app", extra="", what="csvpipe")
        line = _line_to_complete() if completing else words
        wanted = next((word for word in line if not word.startswith("-")), None)
        application.build_app(wanted=wanted)(args=words, prog_name="csvpipe")
    except CsvPipeError as error:
        if not completing:  # a message would be written into the line that the user types
            print_error(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:  # while a command is imported, which takes a second; typer handles it afterwards
        sys.exit(INTERRUPTED)


def _line_to_complete() -> list[str]:
    """Return the words after ``csvpipe`` of the line that a shell wants completed."""
    line = next((os.environ[name] for name in _LINES if name in os.environ), "")
    return line.split()[1:]


def print_error(error: CsvPipeError) -> None:
    """Print ``error`` to stderr: the message, then its code and the place."""
    single = {
        name: value
        for name, value in error.extra.items()
        if isinstance(value, str | int | float) and name not in _IN_THE_MESSAGE
    }
    short = {name: value for name, value in single.items() if len(str(value)) <= 40}
    places = "".join(f", {name} {value}" for name, value in short.items())
    text = printable(f"{error.title}: {error.detail}", keep_line_ends=error.has_lines)
    print(f"csvpipe: {text}", file=sys.stderr)
    print(f"         {printable(f'[{error.code}{places}]')}", file=sys.stderr)
