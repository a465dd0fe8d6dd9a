"""A fake of AWS Step Functions for the kinds of states in our state machine."""

from __future__ import annotations

import fnmatch
import json
import operator
import re
from collections.abc import Callable, Iterable
from typing import Any

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "NumericEquals": operator.eq,
    "NumericLessThan": operator.lt,
    "NumericGreaterThanEquals": operator.ge,
}


class FakeTaskError(Exception):
    """A task, or the call that was to start it, has failed; the text is the cause."""


class FakeStepFunctions:
    """One execution of a state machine whose only task is played by ``outcomes``, one for each run.

    Args:
        definition: in the language of Step Functions.
        outcomes: what a task that succeeds returns, or the error that it fails with.
    """

    def __init__(self, definition: dict[str, Any], outcomes: Iterable[dict[str, Any] | FakeTaskError]) -> None:
        self._states = definition["States"]
        self._begin = definition["StartAt"]
        self._outcomes = iter(outcomes)
        self.runs = 0
        self.waited_s = 0

    def run(self) -> str:
        """Run to the end; return ``Succeed``, or the error of the state that failed."""
        name: str = self._begin
        data: dict[str, Any] = {}
        for _ in range(1000):
            state = self._states[name]
            match state["Type"]:
                case "Succeed":
                    return "Succeed"
                case "Fail":
                    return str(state["Error"])
                case "Wait":
                    self.waited_s += state["Seconds"]
                    name = state["Next"]
                case "Pass":
                    data, name = _passed(state, data), state["Next"]
                case "Choice":
                    # The first that holds: those behind it may look at what is not there.
                    name = next((rule["Next"] for rule in state["Choices"] if _holds(rule, data)), state["Default"])
                case "Task":
                    data, name = self._task(state, data)
        raise AssertionError("the execution does not end")

    def _task(self, state: dict[str, Any], data: dict[str, Any]) -> tuple[dict[str, Any], str]:
        self.runs += 1
        outcome = next(self._outcomes)
        if isinstance(outcome, FakeTaskError):
            (catch,) = state["Catch"]
            assert catch["ErrorEquals"] == ["States.TaskFailed"]
            failure = {"Error": "States.TaskFailed", "Cause": str(outcome)}
            return data | {catch["ResultPath"].removeprefix("$."): failure}, catch["Next"]
        return data | {state["ResultPath"].removeprefix("$."): outcome}, state["Next"]


def _passed(state: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
    if "Result" in state:
        return data | {state["ResultPath"].removeprefix("$."): state["Result"]}
    return {name.removesuffix(".$"): _value(text, data) for name, text in state["Parameters"].items()}


def _value(text: str, data: dict[str, Any]) -> Any:
    if added := re.fullmatch(r"States\.MathAdd\((\S+), (\d+)\)", text):
        return _look(added[1], data) + int(added[2])
    if parsed := re.fullmatch(r"States\.StringToJson\((\S+)\)", text):
        return json.loads(_look(parsed[1], data))
    return _look(text, data)


def _look(path: str, data: Any) -> Any:
    for name, index in re.findall(r"\.(\w+)(?:\[(\d+)\])?", path.removeprefix("$")):
        data = data[name][int(index)] if index else data[name]
    return data


def _holds(rule: dict[str, Any], data: dict[str, Any]) -> bool:
    if "Not" in rule:
        return not _holds(rule["Not"], data)
    if "IsPresent" in rule:
        try:
            _look(rule["Variable"], data)
        except (KeyError, IndexError):
            return not rule["IsPresent"]
        return bool(rule["IsPresent"])
    value = _look(rule["Variable"], data)
    if "StringMatches" in rule:
        return fnmatch.fnmatchcase(value, rule["StringMatches"])
    (compare,) = set(rule) & set(_COMPARE)
    return _COMPARE[compare](value, rule[compare])
