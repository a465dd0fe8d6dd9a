"""A fake of IAM that evaluates the statements of a planned policy for a call, as AWS does.

Only what our policies use: ``Allow``, and the operators and keys below. What is unknown raises: a policy that this fake
cannot judge must not count as one that works.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from tests.support.terraform.plan import Statement

Context = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Call:
    """What AWS asks IAM about.

    Attributes:
        action: such as ``dynamodb:GetItem``.
        resource: its ARN.
        context: values of the condition keys that the service sets for this call, and no others.
    """

    action: str
    resource: str
    context: Context = field(default_factory=dict)


class FakeIam:
    """The permissions of one role, and which of its calls were allowed and refused."""

    def __init__(self, statements: Iterable[Statement]) -> None:
        self._statements = tuple(statements)
        self.allowed: list[Call] = []
        self.refused: list[Call] = []

    def allows(self, call: Call) -> bool:
        """Return whether one of the statements allows ``call``; nothing denies anything."""
        found = any(allows(statement, call) for statement in self._statements)
        (self.allowed if found else self.refused).append(call)
        return found


def allows(statement: Statement, call: Call) -> bool:
    """Return whether one statement allows ``call``."""
    return (
        any(_like(pattern.lower(), call.action.lower()) for pattern in statement.actions)
        and any(_like(pattern, call.resource) for pattern in statement.resources)
        and all(_holds(*condition, call.context) for condition in statement.conditions)
    )


def _like(pattern: str, value: str) -> bool:
    """Return whether a value is that of a pattern with ``*`` and ``?``, which may stand for any character."""
    parts = (".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern)
    return re.fullmatch("".join(parts), value, re.DOTALL) is not None


def _equal(pattern: str, value: str) -> bool:
    return pattern == value


_OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "StringEquals": _equal,
    "StringLike": _like,
    "ArnEquals": _like,
    "ArnLike": _like,
}


def _holds(test: str, key: str, wanted: tuple[str, ...], context: Context) -> bool:
    """Return whether a condition holds; without the key only ``ForAllValues`` does (IAM User Guide)."""
    quantifier, _, operator = test.rpartition(":")
    compare = _OPERATORS[operator]
    values = context.get(key, ())
    matches = [any(compare(each, value) for each in wanted) for value in values]
    if quantifier == "ForAllValues":
        return all(matches)
    if quantifier not in {"", "ForAnyValue"}:
        raise ValueError(f"this fake of IAM does not know {test}")
    return any(matches)
