"""Command-line options generated from the fields of a settings class: name, type, bounds, default and help text."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import typer
from annotated_types import Ge, Le
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

_Command = TypeVar("_Command", bound=Callable[..., None])


def options_from(
    settings: type[BaseSettings], options: Mapping[str, str], *, help_texts: Mapping[str, str] | None = None
) -> Callable[[_Command], _Command]:
    """Return a decorator that gives a command one option for each field, before its own options.

    The command receives the values as keyword arguments, under the names of the fields; None means not given.

    Args:
        settings: the settings class.
        options: name of the option, without dashes, for each field.
        help_texts: help for options that mean something else here than the setting does.
    """
    texts = help_texts or {}
    fields = settings.model_fields
    generated = [_parameter(field, fields[field], option, text=texts.get(field)) for field, option in options.items()]

    def decorate(command: _Command) -> _Command:
        own = [
            parameter
            for parameter in inspect.signature(command, eval_str=True).parameters.values()
            if parameter.kind is not inspect.Parameter.VAR_KEYWORD
        ]
        parameters = [*generated, *own]
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what inspect looks for
        command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return command

    return decorate


def _parameter(field: str, info: FieldInfo, option: str, *, text: str | None) -> inspect.Parameter:
    kind = _option_type(info.annotation)
    names = [f"--{option}"]
    if kind is bool and info.default is True:
        names = [f"--{option}/--no-{option}"]
    shown = None if text is not None else _shown_default(info.default)
    annotation = typer.Option(
        *names,
        help=f"{text or info.description} Environment variable: {field.upper()}.",
        show_default=shown or False,
        min=_bound(info, Ge, "ge"),
        max=_bound(info, Le, "le"),
    )
    return inspect.Parameter(
        field,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[kind | None, annotation],
    )


def _option_type(annotation: Any) -> Any:  # noqa: ANN401  any type of a field
    """Return the type of the option: that of the field without None, or a list if several values are allowed."""
    if get_origin(annotation) in (Union, UnionType):
        kinds = [kind for kind in get_args(annotation) if kind is not NoneType]
        return list[str] if len(kinds) > 1 else _option_type(kinds[0])
    if get_origin(annotation) is Literal:
        return annotation
    return annotation


def _bound(info: FieldInfo, kind: type[Ge | Le], name: str) -> Any:  # noqa: ANN401  a number of either type
    return next((getattr(each, name) for each in info.metadata if isinstance(each, kind)), None)


def _shown_default(default: object) -> str:
    return "" if default is None or isinstance(default, bool | tuple) else str(default)
