"""The base of our images, made from Debian's packages where no registry of images is at hand."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.containers.engine import Engine, call

SUITE = "bookworm"
NAME = "localhost/debian-base:test"
_MIRROR = "http://deb.debian.org/debian"
_BOOTSTRAP_S = 900.0
# What Debian's own slim images leave out, and their dpkg too.
_LEFT_OUT = ("usr/share/man", "usr/share/locale", "usr/share/doc", "usr/share/info")
_CACHES = ("var/cache/apt", "var/lib/apt/lists", "var/log")
_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
_HANDED_ON = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")


def mirror() -> str:
    """Return where this machine takes Debian's packages from."""
    form = ["--format", "$(RELEASE) $(COMPONENT) $(REPO_URI)", "Created-By: Packages"]
    targets = subprocess.run(["apt-get", "indextargets", *form], capture_output=True, text=True, check=False).stdout
    found = [line.split()[2].rstrip("/") for line in targets.splitlines() if line.startswith(f"{SUITE} main http")]
    return found[0] if found else _MIRROR


def make_base(engine: Engine, folder: Path) -> str:
    """Make a small Debian and import it; return its name."""
    tree = folder / "tree"
    call(["debootstrap", "--variant=minbase", SUITE, tree, mirror()], deadline_s=_BOOTSTRAP_S)
    excluded = "".join(f"path-exclude /{path}/*\n" for path in _LEFT_OUT)
    (tree / "etc" / "dpkg" / "dpkg.cfg.d" / "slim").write_text(excluded)
    for path in (*_LEFT_OUT, *_CACHES):
        call(["rm", "--recursive", "--force", tree / path])
        (tree / path).mkdir()
    archive = folder / "base.tar"
    call(["tar", "--create", "--one-file-system", "--file", archive, "--directory", tree, "."])
    engine.podman("import", archive, NAME)
    call(["rm", "--recursive", "--force", "--one-file-system", tree, archive])
    return NAME


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
