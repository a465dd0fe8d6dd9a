"""What the documents show works: commands, targets, shell blocks, the example message."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml

from contracts.message import ChunkMessage, parse_message
from csvpipe.app import COMMANDS
from csvpipe.generate.env_example import FILE as ENV_EXAMPLE
from csvpipe.generate.env_example import render_env_example, settings_variables
from csvpipe.generate.schemas import MESSAGE_JSON
from csvpipe.settings import ClientSettings
from tests.support.docs.shell_blocks import KINDS, README, ROOT, Block, run_block, shell_blocks
from uploader.settings import Settings

DOCUMENTS = [
    README,
    *(ROOT / p for p in ("CONTRIBUTING.md", "CHANGELOG.md", "nifi/README.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
MESSAGES = (ROOT / "docs" / "reference" / "messages.md").read_text()
RENEW = "run `make generate` and commit what it writes"
each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


def section(text: str, title: str) -> str:
    """Return what stands under the heading ``title``."""
    return text.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def test_every_setting_is_described_and_listed_once() -> None:
    paragraphs = render_env_example().split("\n\n")
    names = [
        line[1:].partition("=")[0] for p in paragraphs for line in p.splitlines() if re.match(r"#[A-Z_0-9]+=", line)
    ]
    assert len(names) == len(set(names))
    for model in (Settings, ClientSettings):
        assert {variable.name for variable in settings_variables(model)} <= set(names)
    assert [p for p in paragraphs if re.search(r"^# \.$", p, re.MULTILINE)] == []


def test_env_example_gives_the_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    uncommented = tmp_path / ".env"
    uncommented.write_text(re.sub(r"^#(?=[A-Z_0-9]+=)", "", ENV_EXAMPLE.read_text(), flags=re.MULTILINE))
    assert Settings(_env_file=uncommented) == Settings(_env_file=None)


def example() -> bytes:
    match = re.search(r"```json\n(.*?)```", section(MESSAGES, "The message"), re.DOTALL)
    assert match is not None
    return match[1].encode()


def test_example_message_is_valid_and_complete() -> None:
    message = parse_message(example())
    assert set(json.loads(example())) == set(ChunkMessage.model_fields)
    assert message.chunk_size_mb == round(message.size_bytes / 1024 / 1024, 6)
    jsonschema.validate(json.loads(example()), json.loads(MESSAGE_JSON.read_text()))


def test_commands_that_documents_name_exist() -> None:
    known = {spec.name for spec in COMMANDS}
    for document in DOCUMENTS:
        named = set(re.findall(r"`csvpipe ([a-z]+)", document.read_text()))
        assert named <= known, document


def test_index_leads_to_every_page() -> None:
    docs = ROOT / "docs"
    pages = {str(page.relative_to(docs)) for page in docs.rglob("*.md") if not re.match(r"\d{4}-", page.name)}
    linked = set(re.findall(r"\]\(([^)#]+\.md)", (docs / "index.md").read_text()))
    assert pages - {"index.md"} - linked == set()


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@each_document
def test_make_targets_that_a_document_names_exist(document: Path) -> None:
    assert set(re.findall(r"`make ([a-z-]+)`", document.read_text())) <= make_targets()


@each_document
def test_every_shell_block_has_a_test_marker(document: Path) -> None:
    assert [block.place for block in shell_blocks(document) if block.kind not in KINDS] == []


@pytest.mark.parametrize("block", [b for d in DOCUMENTS for b in shell_blocks(d, kind="check")], ids=lambda b: b.place)
def test_shell_block_runs(block: Block) -> None:
    assert run_block(block)


def test_readme_shows_blocks_that_run_on_the_stack() -> None:
    assert [block.place for block in shell_blocks(kind="stack")]


def test_hooks_run_what_make_lint_runs() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    makefile = (ROOT / "Makefile").read_text()
    lint = makefile.split("\nlint:", 1)[1].split("\n\n", 1)[0]
    for command in re.findall(r"\$\(RUN\) (ruff format|ruff check|lint-imports --no-cache|mypy)", lint):
        assert any(hook["entry"].removeprefix(".venv/bin/").startswith(command) for hook in hooks), command
