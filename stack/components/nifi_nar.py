"""NARs put together from jars: NiFi's unit of class loading, for those that Maven Central does not hold as a whole."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_BUNDLED = "META-INF/bundled-dependencies/"
_ROOT = "nifi-jetty-nar"
"""What NiFi gives to a NAR without a parent as its parent."""
_FIXED_TIME = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, kw_only=True)
class Nar:
    """A NAR of group ``org.apache.nifi``: its name, and the name of its parent, whose classes it sees."""

    name: str
    version: str
    parent: str

    @property
    def filename(self) -> str:
        """Name of its file in a library directory."""
        return f"{self.name}-{self.version}.nar"


def assemble_nar(nar: Nar, jars: Path, into: Path, *, library: Path) -> Path:
    """Write ``nar`` with the ``*.jar`` of directory ``jars`` and return its path.

    A jar that an ancestor holds is left out, whatever its version: a class must come from one loader for all, or an
    interface would not be equal to itself. Ancestors are looked up in ``library`` and ``into``.
    """
    inherited = set(_ancestors_jars(nar.parent, (library, into)))
    inherited.update(_artifact(path.name) for path in library.glob("*.jar"))
    own = sorted(path for path in jars.glob("*.jar") if _artifact(path.name) not in inherited)
    target = into / nar.filename
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for directory in ("META-INF/", _BUNDLED):  # NiFi unpacks entry by entry and does not make them by itself
            archive.writestr(zipfile.ZipInfo(directory, _FIXED_TIME), b"")
        archive.writestr(zipfile.ZipInfo("META-INF/MANIFEST.MF", _FIXED_TIME), _manifest(nar))
        for path in own:
            archive.writestr(zipfile.ZipInfo(_BUNDLED + path.name, _FIXED_TIME), path.read_bytes())
    return target


def _manifest(nar: Nar) -> str:
    lines = {
        "Manifest-Version": "1.0",
        "Nar-Id": nar.name,
        "Nar-Group": "org.apache.nifi",
        "Nar-Version": nar.version,
        "Nar-Dependency-Group": "org.apache.nifi",
        "Nar-Dependency-Id": nar.parent,
        "Nar-Dependency-Version": nar.version,
    }
    return "".join(f"{key}: {value}\n" for key, value in lines.items())


def _ancestors_jars(name: str | None, directories: tuple[Path, ...]) -> Iterator[str]:
    while name:
        path = next(found for directory in directories for found in directory.glob(f"{name}-[0-9]*.nar"))
        with zipfile.ZipFile(path) as archive:
            yield from (_artifact(entry) for entry in archive.namelist() if entry.endswith(".jar"))
            match = re.search(r"^Nar-Dependency-Id: (\S+)", archive.read("META-INF/MANIFEST.MF").decode(), re.MULTILINE)
        orphan = None if name == _ROOT else _ROOT
        name = match[1] if match else orphan


def _artifact(path: str) -> str:
    """Return ``jetty-util`` for ``META-INF/bundled-dependencies/jetty-util-12.0.16.jar``."""
    return re.sub(r"-\d.*$", "", path.rsplit("/", 1)[-1].removesuffix(".jar"))
