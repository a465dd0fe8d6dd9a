"""Fetch Mermaid for the site, so that reading it needs no other host."""

from __future__ import annotations

import shutil
from pathlib import Path

from stack.maven import run_maven

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "build" / "mermaid.min.js"
VERSION = "11.6.0"
_UNPACK = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:unpack"


def main() -> None:
    """Put ``mermaid.min.js`` into ``build/`` unless it is there; the hooks of mkdocs add it to the site."""
    if SCRIPT.exists():
        return
    unpacked = SCRIPT.parent / "mermaid"
    unpacked.mkdir(parents=True, exist_ok=True)
    run_maven(
        _UNPACK,
        f"-Dartifact=org.webjars.npm:mermaid:{VERSION}",
        "-Dmdep.unpack.includes=**/dist/mermaid.min.js",
        f"-DoutputDirectory={unpacked}",
        cwd=unpacked,
        report=print,
    )
    (script,) = unpacked.rglob("mermaid.min.js")
    script.replace(SCRIPT)
    shutil.rmtree(unpacked)


if __name__ == "__main__":
    main()
