"""``docs/reference/errors.md``: every error code with its HTTP status or exit code."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable, Iterator
from http import HTTPStatus

from contracts.errors import CsvPipeError
from csvpipe.extras import CHECKOUT
from csvpipe.generate.markdown import GENERATED, code, sentence, table

FILE = CHECKOUT / "docs" / "reference" / "errors.md"
_PACKAGES = {
    "contracts": "All services",
    "uploader": "Uploader",
    "telemetry": "Telemetry",
    "csvpipe": "Command line",
    "sequencer": "Sequencer",
    "dags": "DAGs",
    "nifi": "NiFi deployment",
    "stack": "Local stack",
}
_WITHOUT_STATUS = frozenset({"csvpipe", "sequencer", "dags", "nifi", "stack"})
_INTRODUCTION = """\
# Error codes

Every error has a code that never changes. The uploader answers with it as `code` in a problem document
([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)); the commands print it, and end with the exit code.
[Troubleshooting](../operations/troubleshooting.md) has causes and remedies.
"""


def error_classes() -> list[type[CsvPipeError]]:
    """Return every class of errors of the product that has a code of its own, in the order of packages and codes."""
    for package in _PACKAGES:
        _import_errors(package)
    found = {error for error in _below(CsvPipeError) if "code" in vars(error) and _package(error) in _PACKAGES}
    order = list(_PACKAGES)
    return sorted(found, key=lambda error: (order.index(_package(error)), error.code))


def render_errors_page() -> str:
    """Return the page."""
    parts = [GENERATED, _INTRODUCTION]
    for package, title in _PACKAGES.items():
        errors = [error for error in error_classes() if _package(error) == package]
        if not errors:
            continue
        answers = _answers(package)
        head = ("code", *answers, "title", "meaning")
        rows = [
            (code(error.code), *(answer(error) for answer in answers.values()), error.title, _meaning(error))
            for error in errors
        ]
        parts.append(f"\n## {title}\n\n" + table(head, rows))
    return "".join(parts)


def _answers(package: str) -> dict[str, Callable[[type[CsvPipeError]], str]]:
    """Return the columns for the answers of a package: of the API, of commands, or both."""
    answers: dict[str, Callable[[type[CsvPipeError]], str]] = {}
    if package not in _WITHOUT_STATUS:
        answers["HTTP status"] = _status
    if package in _WITHOUT_STATUS | {"contracts"}:
        answers["exit code"] = _exit_code
    return answers


def _status(error: type[CsvPipeError]) -> str:
    try:
        return f"{error.status} {HTTPStatus(error.status).phrase}"
    except ValueError:  # 499 is not registered
        return str(error.status)


def _exit_code(error: type[CsvPipeError]) -> str:
    return str(int(error.exit_code))


def _meaning(error: type[CsvPipeError]) -> str:
    text = re.sub(r":\w+:(?=`)", "", (error.__doc__ or "").split("\n\n", 1)[0])
    return sentence(text.replace("``", "`"))


def _package(error: type[CsvPipeError]) -> str:
    return error.__module__.split(".", 1)[0]


def _below(error: type[CsvPipeError]) -> Iterator[type[CsvPipeError]]:
    for child in error.__subclasses__():
        yield child
        yield from _below(child)


def _import_errors(package: str) -> None:
    """Import the modules of ``package`` that define errors."""
    root = importlib.import_module(package)
    for module in pkgutil.walk_packages(root.__path__, f"{package}."):
        source = CHECKOUT.joinpath(*module.name.split(".")).with_suffix(".py")
        if source.is_file() and re.search(r"^    code = ", source.read_text(encoding="utf-8"), re.MULTILINE):
            importlib.import_module(module.name)
