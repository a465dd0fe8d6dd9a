"""NARs assembled from jars."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from stack.components.nifi_nar import Nar, assemble_nar

BUNDLED = "META-INF/bundled-dependencies/"


def _nar(path: Path, jars: list[str], parent: str | None) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        lines = "Manifest-Version: 1.0\r\n" + (f"Nar-Dependency-Id: {parent}\r\n" if parent else "")
        archive.writestr("META-INF/MANIFEST.MF", lines)
        for jar in jars:
            archive.writestr(BUNDLED + jar, b"")


@pytest.fixture
def library(tmp_path: Path) -> Path:
    directory = tmp_path / "lib"
    directory.mkdir()
    _nar(directory / "nifi-jetty-nar-2.3.0.nar", ["jetty-util-12.0.16.jar"], None)
    _nar(directory / "nifi-standard-services-api-nar-2.3.0.nar", ["nifi-record-2.3.0.jar"], None)
    _nar(directory / "nifi-shared-nar-2.3.0.nar", ["jackson-core-2.18.3.jar"], "nifi-standard-services-api-nar")
    (directory / "nifi-api-2.0.0.jar").write_bytes(b"")
    return directory


def _assemble(tmp_path: Path, library: Path, jars: list[str]) -> Path:
    source = tmp_path / "jars"
    source.mkdir(exist_ok=True)
    for jar in jars:
        (source / jar).write_bytes(jar.encode())
    nar = Nar(name="nifi-mine-nar", version="2.3.0", parent="nifi-shared-nar")
    return assemble_nar(nar, source, tmp_path, library=library)


def test_jar_of_an_ancestor_is_left_out(tmp_path: Path, library: Path) -> None:
    inherited = ["jackson-core-2.17.2.jar", "nifi-record-2.3.0.jar", "jetty-util-12.0.16.jar", "nifi-api-2.0.0.jar"]
    path = _assemble(tmp_path, library, [*inherited, "jackson-databind-2.17.2.jar", "mine-1.jar"])

    with zipfile.ZipFile(path) as archive:
        jars = [name.removeprefix(BUNDLED) for name in archive.namelist() if name.endswith(".jar")]
        assert jars == ["jackson-databind-2.17.2.jar", "mine-1.jar"]
        assert archive.read(BUNDLED + "mine-1.jar") == b"mine-1.jar"


def test_manifest_names_the_nar_and_its_parent(tmp_path: Path, library: Path) -> None:
    path = _assemble(tmp_path, library, ["mine-1.jar"])

    assert path.name == "nifi-mine-nar-2.3.0.nar"
    with zipfile.ZipFile(path) as archive:
        lines = archive.read("META-INF/MANIFEST.MF").decode().splitlines()
        assert {"Nar-Group: org.apache.nifi", "Nar-Id: nifi-mine-nar", "Nar-Dependency-Id: nifi-shared-nar"} <= set(
            lines
        )
        assert BUNDLED in archive.namelist(), "NiFi unpacks entry by entry and needs the directories"


def test_assembly_is_deterministic(tmp_path: Path, library: Path) -> None:
    first = _assemble(tmp_path, library, ["b-1.jar", "a-1.jar"]).read_bytes()
    assert _assemble(tmp_path, library, []).read_bytes() == first
