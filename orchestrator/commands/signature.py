"""The command line of the measuring commands, generated from the fields of `Options`."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import typer

from orchestrator.planning.options import Option, Options, options_of
from worker.redaction import redact_url

HINTS = get_type_hints(Options, localns={"Function": Any})  # no option has this type, which loads pydantic


def measuring_command(name: str, summary: str) -> Callable[..., int]:
    """Return the function behind a command that measures what its options ask for."""

    def command(**given: Any) -> int:
        # Imported here: it loads Celery, NumPy and pydantic, which --help can do without.
        from orchestrator.commands.execute import run_and_report  # noqa: PLC0415

        return run_and_report(options_from(name, given))

    parameters = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=_default_of(field.default, option),
            annotation=Annotated[_type_of(name, option), typer_option(option)],
        )
        for name, (field, option) in options_of(name).items()
    ]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # as inspect reads it
    command.__annotations__ = {each.name: each.annotation for each in parameters}
    command.__doc__ = summary
    return command


def options_from(command: str, given: Mapping[str, Any]) -> Options:
    """Return the options of a command from what Typer made of its command line."""
    values: dict[str, Any] = {
        name: tuple(value or ()) if get_origin(HINTS[name]) is tuple else value
        for name, value in given.items()
    }
    return Options(command=command, arguments=tuple(map(redact_url, sys.argv[1:])), **values)


def typer_option(option: Option) -> Any:
    """Return what Typer needs to know of an option."""
    return typer.Option(
        option.flag,
        help=option.help,
        metavar=option.metavar,
        show_default=option.default,
        parser=option.parser,
        callback=option.callback,
        envvar=option.envvar,
        autocompletion=None if option.choices is None else _completion(option.choices),
    )


def option(flag: str, help_: str, metavar: str | None = None, **more: Any) -> Any:
    """Return an option of a command that declares its own; see `Option`."""
    return typer_option(Option(flag, help_, metavar, **more))


def is_repeatable(name: str, option: Option) -> bool:
    """Return whether the option of a field of `Options` may be given several times."""
    return get_origin(HINTS[name]) is tuple and option.parser is None


def _default_of(value: Any, option: Option) -> Any:
    """The default for Typer, which passes it to the option's parser: so as a user would write it."""
    if not isinstance(value, tuple):
        return value
    return ",".join(map(str, value)) if option.parser else None


def _type_of(name: str, option: Option) -> Any:
    """The type for Typer: a list for what may be repeated, text for what is parsed or chosen by name."""
    hint = HINTS[name]
    if is_repeatable(name, option):
        return list[get_args(hint)[0]] | None  # type: ignore[misc]
    return str | None if option.parser or option.choices else hint


def _completion(kind: str) -> Callable[[str], list[str]]:

    def complete(incomplete: str) -> list[str]:
        # Imported here: completion alone needs the registries, which load NumPy and Celery.
        from orchestrator.planning.option_checks import choices  # noqa: PLC0415

        return [name for name in choices()[kind] if name.startswith(incomplete)]

    return complete
