"""The commands of the README, run on the whole stack."""

from __future__ import annotations

from pathlib import Path

from tests.support.docs.shell_blocks import run_stack_blocks
from tests.support.pipeline.pipeline import Pipeline


def test_commands_of_the_readme_run_and_verify(pipeline: Pipeline, tmp_path: Path) -> None:
    context = pipeline.stack.context
    shown = run_stack_blocks(
        uploader_url=pipeline.uploader_url,
        kafka=f"{context.settings.host}:{context.settings.kafka_port}",
        checkpoints=tmp_path / "checkpoints.sqlite3",
        s3_endpoint=f"http://{context.settings.host}:{context.settings.minio_port}",
        access_key=context.secrets.minio_root_user,
        secret_key=context.secrets.minio_root_password.get_secret_value(),
    )
    assert any('"upload_id"' in text for text in shown.values())
    assert any("PROVEN flights.csv: 336,776 rows" in text for text in shown.values())
    assert any(
        "VERIFIED flights-in-order[0]: every row once, in order, and identical" in text for text in shown.values()
    )
