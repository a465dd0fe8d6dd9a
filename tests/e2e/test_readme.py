"""The commands of the README and of the tutorial, run as they are written, on the whole stack."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.docs.shell_blocks import TUTORIAL, run_stack_blocks
from tests.support.pipeline.pipeline import Pipeline


def addresses(pipeline: Pipeline, checkpoints: Path) -> dict[str, Any]:
    context = pipeline.stack.context
    return {
        "uploader_url": pipeline.uploader_url,
        "keys": context.root / "keys",
        "kafka": f"{context.settings.host}:{context.settings.kafka_port}",
        "checkpoints": checkpoints,
        "s3_endpoint": f"http://{context.settings.host}:{context.settings.minio_port}",
        "access_key": context.secrets.minio_root_user,
        "secret_key": context.secrets.minio_root_password.get_secret_value(),
    }


def test_commands_of_the_readme_run_and_verify(pipeline: Pipeline, tmp_path: Path) -> None:
    shown = run_stack_blocks(**addresses(pipeline, tmp_path / "checkpoints.sqlite3"))
    assert any('"upload_id"' in text for text in shown.values())
    assert any("VERIFIED flights.csv: 336,776 rows" in text for text in shown.values())
    assert any(
        "VERIFIED flights-in-order[0]: every row once, in order, and identical" in text for text in shown.values()
    )


def test_commands_of_the_tutorial_show_one_file_in_every_service(pipeline: Pipeline, tmp_path: Path) -> None:
    places = addresses(pipeline, tmp_path / "checkpoints.sqlite3")
    (shown,) = run_stack_blocks(TUTORIAL, **places, one_shell=True).values()
    assert '"row_count":30000' in shown
    assert '10001,customer-001,12501.25,"order 10001,' in shown
    assert shown.count('"source_system":"fastapi"') == 3
    assert shown.count("7509fbacf025245bd09686df80c72ec3a7475a0050dabd5930418aec261f7c80") >= 4
