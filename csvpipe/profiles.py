"""Profiles: the addresses of uploaders and the keys to them, in the user's configuration file."""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from contracts.secret_files import secret_in
from csvpipe.errors import ProfileError

if TYPE_CHECKING:
    from tomlkit import TOMLDocument
    from tomlkit.items import Table

DEFAULT_PROFILE = "default"
_FIELDS = frozenset({"url", "key", "key_file", "ca_file"})
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, kw_only=True)
class Profile:
    """An uploader, as the user has named it."""

    name: str
    url: str
    key: SecretStr | None = None
    ca_file: str | None = None


def config_file() -> Path:
    """Return the path of the configuration file, which may not exist (XDG Base Directory Specification).

    Raises:
        ProfileError: the home directory of the user is unknown.
    """
    base = Path(os.environ.get("XDG_CONFIG_HOME", ""))
    try:
        folder = base if base.is_absolute() else Path.home() / ".config"
    except RuntimeError as error:
        raise ProfileError("the home directory is unknown; set HOME or XDG_CONFIG_HOME") from error
    return folder / "csvpipe" / "config.toml"


def load_profile(name: str) -> Profile | None:
    """Return the profile ``name``, with the key from its file if it names one; None if there is no such profile.

    Raises:
        ProfileError: the file cannot be read or is not TOML, it holds a key and others can read it, or the profile has
            an unknown or invalid field. No value of the file is in the text.
    """
    path = config_file()
    tables = _read(path)
    if name not in tables:
        return None
    fields, place = tables[name], f"profile {name!r} in {path}"
    if unknown := sorted(fields.keys() - _FIELDS):
        raise ProfileError(f"{place}: unknown field {unknown[0]!r}; fields: {', '.join(sorted(_FIELDS))}")
    if wrong := [field for field, value in fields.items() if not (isinstance(value, str) and value)]:
        raise ProfileError(f"{place}: {wrong[0]} must be a text that is not empty")
    if "url" not in fields:
        raise ProfileError(f"{place}: url is missing; it is the address that the key belongs to")
    if "key" in fields and "key_file" in fields:
        raise ProfileError(f"{place}: key and key_file exclude each other; remove one of them")
    key = _key_of(fields, place, folder=path.parent)
    return Profile(name=name, url=fields["url"], key=key, ca_file=_absolute(fields.get("ca_file"), path.parent))


def profile_names() -> list[str]:
    """Return the names of all profiles, sorted.

    Raises:
        ProfileError: as for :func:`load_profile`.
    """
    return sorted(_read(config_file()))


def save_profile(profile: Profile) -> Path:
    """Write ``profile`` into the configuration file, which only the user can read, and return the file's path.

    Comments, other profiles and other tables stay as they are.

    Raises:
        ProfileError: the file cannot be read or written, or is not TOML.
    """
    import tomlkit

    with _changing() as document:
        profiles = document.setdefault("profiles", tomlkit.table(is_super_table=True))
        table: Table = profiles.setdefault(profile.name, tomlkit.table())
        for field in _FIELDS:
            table.pop(field, None)
        table["url"] = profile.url
        if profile.key is not None:
            table["key"] = profile.key.get_secret_value()
        if profile.ca_file is not None:
            table["ca_file"] = profile.ca_file
    return config_file()


def remove_profile(name: str) -> bool:
    """Remove the profile ``name``, and return whether there was one.

    Raises:
        ProfileError: as for :func:`save_profile`.
    """
    if not config_file().exists():
        return False
    with _changing() as document:
        return document.get("profiles", {}).pop(name, None) is not None


def _read(path: Path) -> dict[str, dict[str, Any]]:
    """Return the tables of the profiles by name; empty without a file."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            document = tomllib.load(file)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise ProfileError(f"{path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProfileError(f"{path} is not valid TOML: {error}") from None
    tables = document.get("profiles", {})
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        raise ProfileError(f"{path}: every profile must be a table such as [profiles.{DEFAULT_PROFILE}]")
    if mode & _OTHERS and any("key" in table for table in tables.values()):
        raise ProfileError(f"{path} holds a key, and other users may read it. Run: chmod 600 {path}")
    return tables


def _key_of(fields: dict[str, str], place: str, *, folder: Path) -> SecretStr | None:
    if (path := _absolute(fields.get("key_file"), folder)) is None:
        return SecretStr(fields["key"]) if "key" in fields else None
    try:
        key = secret_in(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ProfileError(f"{place}: key_file {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise ProfileError(f"{place}: key_file {path} is not UTF-8 text") from None
    if not key:
        raise ProfileError(f"{place}: key_file {path} is empty")
    return SecretStr(key)


def _absolute(path: str | None, folder: Path) -> str | None:
    """Return a path of the file as it is meant: with ``~``, and relative to the file itself."""
    return None if path is None else str(folder / Path(path).expanduser())


@contextmanager
def _changing() -> Iterator[TOMLDocument]:
    """Give the document of the configuration file, and replace the file by the changed one."""
    import tomlkit
    from tomlkit.exceptions import ParseError

    path = config_file()
    _read(path)  # what cannot be read is not overwritten
    try:
        document = tomlkit.parse(path.read_text(encoding="utf-8")) if path.exists() else tomlkit.document()
        yield document
        _replace(path, tomlkit.dumps(document))
    except OSError as error:
        raise ProfileError(f"{path} cannot be changed: {error.strerror}") from error
    except ParseError as error:
        raise ProfileError(f"{path} is not valid TOML: line {error.line}, column {error.col}") from None


def _replace(path: Path, text: str) -> None:
    """Write the file in one step, with mode 0600 from its first byte on. A link keeps pointing at it."""
    target = path.resolve()
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with NamedTemporaryFile("w", encoding="utf-8", dir=target.parent, prefix=".config-", delete=False) as file:
        try:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).replace(target)
        except BaseException:
            Path(file.name).unlink()
            raise
