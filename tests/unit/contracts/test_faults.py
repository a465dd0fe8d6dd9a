"""Faults that pydantic finds, as text."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, ValidationError, field_validator, model_validator

from contracts.faults import describe_invalid, rule_of


class Box(BaseModel):
    sizes: list[int]
    name: str = ""

    @field_validator("name")
    @classmethod
    def _is_short(cls, name: str) -> str:
        if len(name) > 3:
            raise ValueError("must be short")
        return name

    @model_validator(mode="after")
    def _is_named_if_full(self) -> Box:
        if self.sizes and not self.name:
            raise ValueError("a full box needs a name")
        return self


def invalid(**values: object) -> ValidationError:
    with pytest.raises(ValidationError) as failure:
        Box.model_validate(values)
    return failure.value


def test_rule_of_ours_is_said_in_our_words() -> None:
    error = invalid(sizes=[], name="long")
    assert [rule_of(fault) for fault in error.errors()] == ["must be short"]
    assert describe_invalid(error, whole="box") == "name: must be short"


def test_fault_of_the_whole_has_a_name() -> None:
    assert describe_invalid(invalid(sizes=[1]), whole="box") == "box: a full box needs a name"


def test_faults_are_one_line_without_values_however_many_there_are() -> None:
    text = describe_invalid(invalid(sizes=["secret"] * 1_000), whole="box")
    assert text.startswith("sizes.0: ")
    assert text.endswith("; and 980 more")
    assert ("secret" in text, "\n" in text) == (False, False)
