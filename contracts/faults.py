"""What pydantic finds wrong with a value, as text for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

_MOST_FAULTS = 20


def rule_of(fault: Mapping[str, Any]) -> str:
    """Return the rule that is broken; pydantic puts "Value error, " before those that are ours."""
    return str(fault["msg"]).removeprefix("Value error, ")


def describe_invalid(error: ValidationError, *, whole: str) -> str:
    """Return the faults in one line, without values: ``chunks.0.key: Field required; size_bytes: …``.

    Args:
        error: raised by the model. Of more than 20 faults, the others are counted.
        whole: stands for the place of a fault that is not in one field.
    """
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    texts = [f"{'.'.join(map(str, fault['loc'])) or whole}: {rule_of(fault)}" for fault in faults[:_MOST_FAULTS]]
    if len(faults) > _MOST_FAULTS:
        texts.append(f"and {len(faults) - _MOST_FAULTS} more")
    return "; ".join(texts)
