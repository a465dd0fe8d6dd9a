"""``docs/reference/cli.md``: every command with its arguments and options."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator
from typing import Any

import typer
from typer.core import TyperGroup

from csvpipe.app import COMMANDS, EXIT_CODES, build_app
from csvpipe.extras import CHECKOUT
from csvpipe.generate.markdown import GENERATED, code, sentence, table

FILE = CHECKOUT / "docs" / "reference" / "cli.md"
_INTRODUCTION = """\
# Command line

`csvpipe COMMAND --help` shows the same text. `csvpipe --install-completion` makes the Tab key complete commands,
options and their values in bash, zsh, fish and PowerShell; `csvpipe --show-completion` prints the script instead.

With `--json` a command prints its result as one JSON document on stdout, and nothing else there: progress, remarks and
errors go to stderr, and exit codes are the same. A failed check prints its document as well; after an error there is
none. `csvpipe audit list --json` prints a line of JSON for each record instead, as there may be millions.
"""
_WIDTH = 120


def render_cli_page() -> str:
    """Return the page."""
    codes = [(str(int(number)), sentence(meaning)) for number, meaning in EXIT_CODES.items()]
    parts = [GENERATED, _INTRODUCTION, "\n## Exit codes\n\n", table(("code", "meaning"), codes)]
    for spec in COMMANDS:
        root = typer.main.get_group(build_app(wanted=spec.name))
        parts.extend(_command(["csvpipe", spec.name], root.commands[spec.name]))
    return "".join(parts)


def _command(path: list[str], command: Any) -> Iterator[str]:  # noqa: ANN401  typer vendors click without types
    context = typer.Context(command, info_name=" ".join(path))
    usage = " ".join([*path, *command.collect_usage_pieces(context)])
    yield f"\n{'#' * len(path)} {' '.join(path)}\n\n{_text(command.help)}\n\n```text\n{usage}\n```\n"
    rows = [(code(names), _description(text)) for names, text in _help_records(command, context)]
    if rows:
        yield "\n" + table(("argument or option", "description"), rows)
    if isinstance(command, TyperGroup):
        for name, child in command.commands.items():
            yield from _command([*path, name], child)


def _help_records(
    command: Any,  # noqa: ANN401  as above
    context: typer.Context,
) -> Iterator[tuple[str, str]]:
    for parameter in command.params:
        if record := parameter.get_help_record(context):
            yield record


def _description(text: str) -> str:
    """Return the help of a parameter as sentences, with its default and its range after them."""
    text, _, note = _plain(text).partition("  [")
    return sentence(text) + (f" ({note.removesuffix(']')})" if note else "")


def _text(text: str | None) -> str:
    paragraphs = _plain(inspect.cleandoc(text or "")).split("\n\n")
    return "\n\n".join(
        textwrap.fill(each, _WIDTH, break_long_words=False, break_on_hyphens=False) for each in paragraphs
    )


def _plain(text: str) -> str:
    """Return ``text`` without the markup of rich."""
    return re.sub(r"\[/?(?:bold|dim|italic|green|red|yellow)\]", "", text)
