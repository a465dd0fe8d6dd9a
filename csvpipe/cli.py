"""Entry point of ``csvpipe``: runs one command and turns its errors into exit codes."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from contracts.errors import CsvPipeError
from contracts.printable import printable
from csvpipe.extras import import_with_hint


def main(arguments: Sequence[str] | None = None) -> None:
    """Run ``csvpipe`` with ``arguments`` (default: those of the process) and exit."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        application = import_with_hint("csvpipe.app", extra="", what="csvpipe")
        wanted = next((word for word in words if not word.startswith("-")), None)
        application.build_app(wanted=wanted)(args=words, prog_name="csvpipe")
    except CsvPipeError as error:
        print_error(error)
        sys.exit(error.exit_code)


def print_error(error: CsvPipeError) -> None:
    """Print ``error`` to stderr: the message, then its code and the place."""
    short = {name: value for name, value in error.extra.items() if value is not None and len(str(value)) <= 40}
    places = "".join(f", {name} {value}" for name, value in short.items())
    text = printable(f"{error.title}: {error.detail}", keep_line_ends=error.has_lines)
    print(f"csvpipe: {text}", file=sys.stderr)
    print(f"         {printable(f'[{error.code}{places}]')}", file=sys.stderr)
