"""Options that are generated from a settings class."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
import typer
from pydantic import Field
from pydantic_settings import BaseSettings
from typer.testing import CliRunner

from csvpipe.commands import sequence, verify_topic
from csvpipe.setting_options import options_from
from sequencer.settings import JobSettings


class FakeSettings(BaseSettings):
    """One field of each kind."""

    text: str = Field("", description="A text.")
    level: int | None = Field(None, ge=-1, le=12, description="A level.")
    mode: Literal["a", "b"] = Field("a", description="A mode.")
    fence: bool = Field(True, description="A fence.")
    append: bool = Field(False, description="An append.")
    source: str | tuple[str, ...] = Field("", description="A source.")


OPTIONS = {"text": "a-text", "level": "level", "mode": "mode", "fence": "fence", "append": "append", "source": "source"}


@pytest.fixture
def run() -> Any:
    """Return what runs the command and gives its values, or its exit code."""
    app, received = typer.Typer(), dict[str, Any]()

    @app.command()
    @options_from(FakeSettings, OPTIONS)
    def command(*, own: Annotated[int, typer.Option()] = 7, **given: Any) -> None:
        """Receive the values."""
        received.update(given, own=own)

    def invoke(*arguments: str) -> Any:
        received.clear()
        result = CliRunner().invoke(app, [*arguments])
        return {name: value for name, value in received.items() if value is not None} or result.exit_code

    return invoke


def test_values_arrive_under_the_names_of_the_fields(run: Any) -> None:
    assert run() == {"own": 7}
    assert run("--a-text", "x", "--level", "-1", "--mode", "b", "--no-fence", "--append", "--own", "8") == {
        "text": "x",
        "level": -1,
        "mode": "b",
        "fence": False,
        "append": True,
        "own": 8,
    }
    assert run("--source", "a b.csv", "--source", "c.csv") == {"source": ["a b.csv", "c.csv"], "own": 7}


@pytest.mark.parametrize("arguments", [("--level", "13"), ("--mode", "c"), ("--no-append",), ("--level", "x")])
def test_value_outside_of_the_fields_bounds_is_wrong_usage(run: Any, arguments: tuple[str, ...]) -> None:
    assert run(*arguments) == 2


@pytest.mark.parametrize("options", [sequence._OPTIONS, verify_topic._OPTIONS])
def test_every_option_is_a_setting(options: dict[str, str]) -> None:
    assert set(options) <= set(JobSettings.model_fields)
    assert len(set(options.values())) == len(options)
