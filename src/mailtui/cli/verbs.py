"""Verbs made from the table of requests: a request's fields are its options, its docstring is its help.

Owned here: that translation, and the commands that need nothing more: ask, print. Verbs with manners of their own are in `actions`,
`reads` and `offline`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar

import click
import msgspec.inspect
from msgspec.inspect import BoolType, IntType, LiteralType, Metadata, NoneType, UnionType

from mailtui.control.request import Request

from . import context
from .context import Context
from .screens import screen

T = TypeVar("T", bound=msgspec.Struct)

#: What a field is called on the command line when that is not its own name.
_NAMES: Final = {"everything": "all", "after_seq": "after", "lasts": "for"}
#: Fields that are arguments although they may be left out.
_ARGUMENTS: Final = ("domain",)
#: What makes words a filter and not a list of ids.
_FILTER: Final = re.compile(r'[:=~<>()\s"]|^-|^(?:and|or|not)$', re.IGNORECASE)
#: The field a word begins with, and what shows that a word of the shell is more than one of the filter language.
_FIELD: Final = re.compile(r"-?[^\W\d_]+[:=~<>]+")
_SEVERAL: Final = re.compile(r"^-?\(|\s-?\(?[^\W\d_]+[:=~<>]")


def parameters(kind: type[msgspec.Struct]) -> list[click.Parameter]:
    """The options and arguments of a request: `filter` takes words (of an action: ids too), what is required is an argument."""
    info = msgspec.inspect.type_info(kind)
    assert isinstance(info, msgspec.inspect.StructType)
    return [_parameter(field) for field in info.fields if field.name != "ids"]


def _parameter(field: msgspec.inspect.Field) -> click.Parameter:
    if field.name == "filter":
        return click.Argument(["filter"], nargs=-1, metavar="[FILTER]...")
    type_, help_ = _plain(field.type)
    if field.required or field.name in _ARGUMENTS:
        return click.Argument([field.name], type=_click_type(type_), required=field.required)
    name = f"--{_NAMES.get(field.name, field.name).replace('_', '-')}"
    if isinstance(type_, BoolType):
        return click.Option([name, field.name], is_flag=True, help=help_)
    default = field.default if field.default not in ("", None, msgspec.NODEFAULT) else None
    return click.Option(
        [name, field.name], type=_click_type(type_), default=default, help=help_, show_default=default is not None
    )


def _plain(type_: msgspec.inspect.Type) -> tuple[msgspec.inspect.Type, str]:
    """A field's type without what is said about it, and that."""
    if isinstance(type_, UnionType):
        type_ = next(member for member in type_.types if not isinstance(member, NoneType))
    if isinstance(type_, Metadata):
        text = str((type_.extra_json_schema or {}).get("description", ""))
        return type_.type, f"{text[:1].upper()}{text[1:]}."
    return type_, ""


def _click_type(type_: msgspec.inspect.Type) -> click.ParamType[Any]:
    match type_:
        case IntType(ge=least, le=most):
            return click.IntRange(least, most)
        case LiteralType(values=values):
            return click.Choice([str(value) for value in values])
    return click.STRING


def build(kind: type[T], values: dict[str, object]) -> T:
    """The request that options describe; what was not given stays at its default. click.UsageError when that is no request."""
    given = {name: value for name, value in values.items() if value is not None}
    words = _words(given.pop("filter", ()))
    if words and "ids" in kind.__struct_fields__ and not any(_FILTER.search(word) for word in words):
        given["ids"] = tuple(words)
    elif words:
        given["filter"] = " ".join(map(_quoted, words))
    try:
        return msgspec.convert(given, kind)
    except msgspec.ValidationError as error:
        raise click.UsageError(str(error)) from None


def _words(value: object) -> list[str]:
    return [str(word) for word in value] if isinstance(value, tuple) else []


def _quoted(word: str) -> str:
    """A word of the shell as a word of the filter language: quotes around what has spaces, unless it is several words of it."""
    found = _FIELD.match(word)
    value = word[found.end() :] if found else word
    if not any(character.isspace() for character in word) or '"' in word or _SEVERAL.search(word):
        return word
    return f'{found[0] if found else ""}"{value}"'


def command(kind: type[Request[object]]) -> click.Command:
    """The verb of a request that is asked and printed."""

    def ask(here: Context, /, as_json: bool, yes: bool = False, **values: object) -> None:
        show(here.ask(build(kind, values)), as_json)

    return make(kind, context.pass_context(ask), [unasked()] if kind.changes else [])


def unasked() -> click.Option:
    """--yes of a verb that asks nobody, so that scripts can say it everywhere."""
    return click.Option(["--yes", "-y"], is_flag=True, help="Accepted like everywhere; nothing is asked.")


def make(
    kind: type[msgspec.Struct], callback: Callable[..., object], extra: Iterable[click.Parameter] = ()
) -> click.Command:
    """A command with the parameters of `kind` and --json, whose callback gets them all by name."""
    name = str(vars(kind)["name"]).rpartition(".")[2]
    as_json = click.Option(["--json", "as_json"], is_flag=True, help="JSON, one object a line.")
    return click.Command(name, callback=callback, params=[*parameters(kind), *extra, as_json], help=kind.__doc__)


def show(result: object, as_json: bool) -> None:
    """Print an answer; where a list goes on is told on standard error, so that rows stay rows."""
    if as_json:
        context.say_json(rows(result))
    else:
        context.say(screen(result, context.columns()))
    if after := getattr(result, "after", None):
        sys.stdout.flush()
        click.echo(f"more: --after {after}", err=True)


def rows(result: object) -> Iterable[object]:
    """What --json prints a line for: the rows of a list, else the answer itself."""
    if isinstance(result, tuple):
        return result
    page: Iterable[object] | None = getattr(result, "rows", None)
    return [result] if page is None else page
