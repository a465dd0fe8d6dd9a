"""A fake of CloudWatch's metric math that evaluates a planned alarm's expression on one value per metric."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_FUNCTIONS = {"IF": "_if", "FILL": "_fill"}


def expression_of(alarm: Mapping[str, Any]) -> str:
    """Return the expression that decides an alarm: the one query that returns data."""
    (deciding,) = [each for each in alarm["metric_query"] if each["return_data"]]
    return str(deciding["expression"])


def metrics_of(alarm: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the metrics that the expression is made of, by their ids."""
    return {each["id"]: each["metric"][0] for each in alarm["metric_query"] if each["metric"]}


def alarms(alarm: Mapping[str, Any], values: Mapping[str, float | None]) -> bool:
    """Return whether an alarm goes off; a metric whose value is None has none in the period.

    An expression that a missing value gets into has no value, and is treated as ``treat_missing_data`` says.
    """
    assert set(values) == set(metrics_of(alarm))
    assert alarm["comparison_operator"] == "GreaterThanOrEqualToThreshold"
    text = re.sub(r"\bAND\b", "and", expression_of(alarm))
    for name, function in _FUNCTIONS.items():
        text = re.sub(rf"\b{name}\(", f"{function}(", text)
    known = {"_if": lambda when, then, other: then if when else other, "_fill": lambda v, d: d if v is None else v}
    try:
        value = eval(text, {"__builtins__": {}}, {**known, **values})  # noqa: S307, RUF100  an expression of our own
    except TypeError:  # None in a sum or a comparison
        return bool(alarm["treat_missing_data"] == "breaching")
    return bool(value >= alarm["threshold"])
