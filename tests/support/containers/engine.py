"""Container images and containers without a daemon: buildah and podman from Debian, as root.

Storage is a folder of the test's own, so nothing is left behind and nobody else's images are seen.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stack.ports import free_ports

READ_ONLY = ("--read-only", "--read-only-tmpfs=false")
"""Options of a container without a writable file system."""
ROOT = Path(__file__).resolve().parents[3]
PACKAGES = {"buildah": "buildah", "debootstrap": "debootstrap", "podman": "podman", "runc": "runc"}
"""Programs and the Debian packages that contain them."""
LIMITS = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024")
_BUILD_S = 1_200.0
_CALL_S = 120.0


def provide_engine() -> None:
    """Install the programs that build and run images, if they are missing.

    Raises:
        AssertionError: it is missing and cannot be installed; the text says what to do.
    """
    missing = sorted(package for program, package in PACKAGES.items() if not shutil.which(program))
    if os.geteuid() != 0:
        raise AssertionError(f"images are built as root (buildah in a chroot); missing: {', '.join(missing) or 'none'}")
    if not missing:
        return
    if not shutil.which("apt-get"):
        raise AssertionError(f"install {' '.join(missing)}: this is no Debian, so they cannot be installed from here")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    call(["apt-get", "update", "-qq"], environment=environment, deadline_s=_BUILD_S)
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing]
    call(install, environment=environment, deadline_s=_BUILD_S)


def call(
    command: Sequence[str | Path], *, environment: Mapping[str, str] | None = None, deadline_s: float = _CALL_S
) -> str:
    """Run a command in the checkout's root and return its output.

    Raises:
        AssertionError: it failed; the text holds the end of what it said.
    """
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=deadline_s, check=False
    )
    said = f"{done.stdout[-4000:]}\n{done.stderr[-6000:]}"
    assert done.returncode == 0, f"{' '.join(map(str, command))} ended with {done.returncode}\n{said}"
    return done.stdout


def open_engine(folder: Path) -> Engine:
    """Return an engine on storage in ``folder``: overlay where the kernel and the disk can, vfs elsewhere."""
    folder.mkdir(parents=True)
    engine = Engine(folder, "overlay")
    try:
        engine.podman("info")
    except AssertionError:
        return Engine(folder, "vfs")
    return engine


@dataclass(frozen=True)
class Engine:
    """buildah and podman on storage in ``folder``."""

    folder: Path
    driver: str

    @property
    def _storage(self) -> list[str | Path]:
        places: list[str | Path] = ["--root", self.folder / "images", "--runroot", self.folder / "run"]
        return [*places, "--storage-driver", self.driver]

    def podman(self, *arguments: str | Path, deadline_s: float = _CALL_S) -> str:
        """Run podman and return its output."""
        return call([*self.podman_command, *arguments], deadline_s=deadline_s)

    @property
    def podman_command(self) -> list[str | Path]:
        """Return podman with the options for this storage."""
        how: list[str | Path] = ["--runtime", "runc", "--cgroup-manager", "cgroupfs"]
        return ["podman", *self._storage, *how]

    def build(
        self, *, target: str, base: str, secrets: Mapping[str, Path], arguments: Mapping[str, str] | None = None
    ) -> str:
        """Build one target of the Dockerfile, with more build arguments, and return the name of its image."""
        image = f"localhost/csvpipe-{target}:test"
        given = [word for name, path in secrets.items() for word in ("--secret", f"id={name},src={path}")]
        # With vfs, each layer is a copy of all that is below it.
        cached = ["--layers"] if self.driver == "overlay" else []
        how = ["--isolation", "chroot", "--format", "docker", *cached]
        values = [w for n, v in {"BASE_IMAGE": base, **(arguments or {})}.items() for w in ("--build-arg", f"{n}={v}")]
        what = [*values, "--target", target, "--tag", image, *given]
        call(["buildah", *self._storage, "bud", *how, *what, "."], deadline_s=_BUILD_S)
        return image

    def build_directory(self, context: Path, image: str) -> str:
        """Build the Dockerfile of another directory as ``image`` and return its name."""
        how = ["--isolation", "chroot", "--format", "docker", "--tag", image]
        call(["buildah", *self._storage, "bud", *how, context], deadline_s=_BUILD_S)
        return image

    def inspect(self, image: str) -> Any:
        """Return podman's metadata of an image."""
        return json.loads(self.podman("image", "inspect", image))[0]

    def compressed_bytes(self, image: str) -> int:
        """Return the size of an image's layers in a registry, compressed with gzip."""
        archive = self.folder / "packed"
        self.podman("push", "--compress", image, f"dir:{archive}", deadline_s=_BUILD_S)
        manifest = json.loads((archive / "manifest.json").read_text())
        layers = [archive / layer["digest"].removeprefix("sha256:") for layer in manifest["layers"]]
        size_bytes: int = sum(layer.stat().st_size for layer in layers)
        shutil.rmtree(archive)
        return size_bytes

    def run(self, image: str, *arguments: str, options: Sequence[str | Path] = ()) -> str:
        """Run a command of an image in a temporary container, and return its output."""
        return self.podman("run", "--rm", "--network=host", *LIMITS, *options, image, *arguments)

    @contextmanager
    def container(
        self, image: str, *arguments: str, environment: Mapping[str, str], options: Sequence[str | Path] = ()
    ) -> Iterator[str]:
        """Run a service of an image in a temporary container, and return the container's id."""
        given = [word for name, value in environment.items() for word in ("--env", f"{name}={value}")]
        # Engines look after health by timers of systemd, which need not be there; a test asks by itself.
        how = ["--detach", "--network=host", "--no-healthcheck", *LIMITS, *given, *options]
        container = self.podman("run", *how, image, *arguments).strip()
        try:
            yield container
        finally:
            self.podman("rm", "--force", "--time", "5", container)

    def exit_code(self, container: str) -> int:
        """Wait until a container has ended and return its exit code."""
        return int(self.podman("wait", container))

    def remove(self) -> None:
        """Delete all images and the storage."""
        self.podman("rmi", "--all", "--force")
        mounted = self.folder / "images" / self.driver
        if mounted.is_mount():
            call(["umount", mounted])
        shutil.rmtree(self.folder)


def free_port() -> int:
    """Return a free port."""
    (port,) = free_ports(1)
    return port
