"""Checks for packages and files that a command needs and an installation may lack."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from contracts.exit_codes import ExitCode
from csvpipe.errors import CommandError

CHECKOUT = Path(__file__).resolve().parent.parent
OWN_PACKAGES = frozenset(
    {"aws", "contracts", "csvpipe", "csvscan", "dags", "nifi", "sequencer", "stack", "telemetry", "uploader"}
)


class MissingPackageError(CommandError):
    """A package that a command needs is not installed."""

    code = "missing_package"
    exit_code = ExitCode.CONFIGURATION
    title = "Missing package"


class NoCheckoutError(CommandError):
    """The command needs a checkout, and runs from an installed wheel."""

    code = "no_checkout"
    exit_code = ExitCode.CONFIGURATION
    title = "No checkout"


def import_with_hint(name: str, *, extra: str, what: str) -> ModuleType:
    """Import ``name``, one of our modules, for the command ``what``.

    Raises:
        MissingPackageError: a package of ``extra`` is missing; the message says how to install it.
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        missing = (error.name or name).partition(".")[0]
        if missing in OWN_PACKAGES:
            raise
        raise _missing(missing, extra=extra, what=what) from error


def require_packages(packages: Iterable[str], *, extra: str, what: str) -> None:
    """Check that ``packages``, which ``what`` imports late, are installed. They are not imported here.

    Raises:
        MissingPackageError: one is missing.
    """
    for package in packages:
        if find_spec(package) is None:
            raise _missing(package, extra=extra, what=what)


def require_checkout(*, what: str, root: Path = CHECKOUT) -> None:
    """Check that this is a checkout of the repository, not an installed wheel.

    Raises:
        NoCheckoutError: it is a wheel.
    """
    if not (root / "pyproject.toml").is_file():
        raise NoCheckoutError(f"{what} works in a checkout of the repository only: it keeps its files in .stack/")


def _missing(package: str, *, extra: str, what: str) -> MissingPackageError:
    wanted = f"'csvpipe[{extra}]'" if extra else "--force-reinstall csvpipe"
    return MissingPackageError(
        f"{what} needs the package '{package}', which is not installed. Run: pip install {wanted}, or in a checkout: "
        "make setup",
        package=package,
    )
