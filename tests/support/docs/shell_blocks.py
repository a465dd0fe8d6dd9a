"""The shell blocks of the documentation, for tests that run them.

The first word after the fence's language says how a block is tested: ``check`` (needs no service), ``stack`` (needs
the whole stack), ``cluster`` (on the API server of tests/cluster; ``cluster-SOMETHING`` is
a part of its own), or ``by-hand`` (not at all: it is itself what runs the tests, or installs things).
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
README = ROOT / "README.md"
TUTORIAL = ROOT / "docs" / "tutorial" / "one-file.md"
README_UPLOADER = "http://127.0.0.1:8000"
README_KAFKA = "127.0.0.1:9092"
README_KEYS = ".stack/run/keys"
"""Addresses and the folder of the keys as they stand in the README; a test puts its own in their place."""
CLUSTER_KINDS = frozenset({"cluster", "cluster-external-secrets", "cluster-local", "cluster-delete"})
KINDS = frozenset({"check", "stack", "by-hand"}) | CLUSTER_KINDS
_FENCE = re.compile(
    r"^```(?P<language>bash|sh|shell|console)(?P<kind>[^\n]*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE
)


@dataclass(frozen=True)
class Block:
    """One shell block: ``place`` is its document and line, ``kind`` one of :data:`KINDS` or what stands there."""

    place: str
    kind: str
    text: str


def shell_blocks(document: Path = README, *, kind: str | None = None) -> Iterator[Block]:
    """Give the shell blocks of ``document``, all or those of one kind, in their order."""
    content = document.read_text(encoding="utf-8")
    for match in _FENCE.finditer(content):
        line = content.count("\n", 0, match.start()) + 1
        block = Block(f"{document.name}:{line}", match["kind"].strip(), match["text"])
        if kind in {None, block.kind}:
            yield block


def run_block(
    block: Block,
    *,
    environment: Mapping[str, str] | None = None,
    uploader_url: str = README_UPLOADER,
    kafka: str = README_KAFKA,
    keys: str = README_KEYS,
    deadline_s: float = 600,
) -> str:
    """Run ``block`` in the checkout's root, stopping at the first command that fails, and return what it printed."""
    text = block.text.replace(README_UPLOADER, uploader_url).replace(README_KAFKA, kafka).replace(README_KEYS, keys)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text],
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=deadline_s,
        check=False,
    )
    assert done.returncode == 0, f"{block.place} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def run_stack_blocks(
    document: Path = README,
    *,
    uploader_url: str,
    keys: Path,
    kafka: str,
    s3_endpoint: str,
    access_key: str,
    secret_key: str,
    checkpoints: Path,
    one_shell: bool = False,
) -> dict[str, str]:
    """Run every block of ``document`` that needs the stack, on the one at these addresses; return output by place.

    With ``one_shell`` a block sees the variables of the blocks before it.
    """
    from csvpipe.demo_data import write_flights

    write_flights(ROOT / ".stack" / "demo")
    environment = {
        "CSVPIPE_URL": uploader_url,
        "CSVPIPE_KEY_FILE": str(keys / "client"),
        "S3_ENDPOINT": s3_endpoint,
        "AWS_ACCESS_KEY_ID": access_key,
        "AWS_SECRET_ACCESS_KEY": secret_key,
        "CHECKPOINT_FILE": str(checkpoints),
        "NO_PROXY": "127.0.0.1",
    }
    blocks = list(shell_blocks(document, kind="stack"))
    assert blocks
    if one_shell:
        blocks = [Block(document.name, "stack", "\n".join(block.text for block in blocks))]
    run = partial(run_block, environment=environment, uploader_url=uploader_url, kafka=kafka, keys=str(keys))
    return {block.place: run(block) for block in blocks}
