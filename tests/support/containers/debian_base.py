"""The base of our images, built from Debian packages when no image registry is available."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from stack.dist import build_once
from tests.support.containers.engine import Engine, call
from tests.support.own_environment import PLACE

SUITE = "bookworm"
_ARCHIVE = "base.tar"
NAME = "localhost/debian-base:test"
_MIRROR = "http://deb.debian.org/debian"
_BOOTSTRAP_S = 900.0
# What Debian's own slim images leave out, and their dpkg too.
_LEFT_OUT = ("usr/share/man", "usr/share/locale", "usr/share/doc", "usr/share/info")
_CACHES = ("var/cache/apt", "var/lib/apt/lists", "var/log")
_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
_HANDED_ON = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "NPM_CONFIG_REGISTRY")


def mirror() -> str:
    """Return where this machine takes Debian's packages from."""
    form = ["--format", "$(RELEASE) $(COMPONENT) $(REPO_URI)", "Created-By: Packages"]
    targets = subprocess.run(["apt-get", "indextargets", *form], capture_output=True, text=True, check=False).stdout
    found = [line.split()[2].rstrip("/") for line in targets.splitlines() if line.startswith(f"{SUITE} main http")]
    return found[0] if found else _MIRROR


def make_base(engine: Engine) -> str:
    """Import a small Debian into ``engine`` and return the name of the image.

    Its archive is made once a month: the packages that the Dockerfile installs are fetched in each build anyway.
    """
    month = datetime.now(UTC).strftime("%Y-%m")
    made = build_once(PLACE, "debian-base", f"{SUITE} {month} {_LEFT_OUT} {_CACHES}", _make_archive)
    engine.podman("import", made / _ARCHIVE, NAME)
    return NAME


def _make_archive(folder: Path) -> None:
    tree = folder / "tree"
    call(["debootstrap", "--variant=minbase", SUITE, tree, mirror()], deadline_s=_BOOTSTRAP_S)
    excluded = "".join(f"path-exclude /{path}/*\n" for path in _LEFT_OUT)
    (tree / "etc" / "dpkg" / "dpkg.cfg.d" / "slim").write_text(excluded)
    for path in (*_LEFT_OUT, *_CACHES):
        call(["rm", "--recursive", "--force", tree / path])
        (tree / path).mkdir()
    call(["tar", "--create", "--one-file-system", "--file", folder / _ARCHIVE, "--directory", tree, "."])
    call(["rm", "--recursive", "--force", "--one-file-system", tree])


def build_secrets(folder: Path) -> dict[str, Path]:
    """Write down how this machine reaches its package index; return the secrets that the Dockerfile knows."""
    given = {name: os.environ[name] for name in _HANDED_ON if name in os.environ}
    given |= {name: value for name, value in os.environ.items() if name.startswith(("PIP_INDEX", "UV_INDEX"))}
    configured = _pip_index()
    if configured:
        given = {"PIP_INDEX_URL": configured, "UV_DEFAULT_INDEX": configured, **given}
    settings = folder / "build-env"
    settings.write_text("".join(f"{name}='{value}'\n" for name, value in given.items()))
    bundle = Path(os.environ.get("SSL_CERT_FILE", _BUNDLE))
    return {"build-env": settings, **({"build-ca": bundle} if bundle.is_file() else {})}


def _pip_index() -> str:
    """Return the index that pip is configured with, or nothing where it is the public one."""
    pip = ["python3", "-m", "pip", "config", "get", "global.index-url"]
    environment = {**os.environ, "PATH": os.environ["PATH"].replace(f"{sys.prefix}/bin:", "")}
    return subprocess.run(pip, env=environment, capture_output=True, text=True, check=False).stdout.strip()
