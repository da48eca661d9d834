"""From TOML tables to `Config`: walks the Structs of `settings`, parses every value, knows no key by name.

Owned here: unknown and missing keys, wrong types, and the wording of those errors (`key: what is wrong`, without the
file, which `loading` puts in front). What two keys demand of each other must not live here.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from typing import Annotated, Final, Literal, TypeGuard, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from mailtui.errors import ConfigError

from . import values
from .settings import Config

Table = TypeVar("Table", bound=msgspec.Struct)

SHOWN: Final = 60  # characters of a wrong value that help; more would break the one line
_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]{1,60}")


def read(raw: Mapping[str, object]) -> Config:
    """All settings of a parsed file. ConfigError (`key: …`) at the first that is wrong."""
    return _table(Config, raw, "")


def keys(table: type[msgspec.Struct]) -> dict[str, object]:
    """TOML key -> annotated type of a table; what no file can set (`Config.path`) is not among them."""
    hints = get_type_hints(table, include_extras=True)
    fields = msgspec.structs.fields(table)
    return {field.encode_name: hints[field.name] for field in fields if (table, field.name) != (Config, "path")}


def shown(value: object) -> str:
    """A wrong value as the file has it, shortened; arrays and tables by their kind."""
    if isinstance(value, str):
        text = json.dumps(value[:SHOWN], ensure_ascii=False)
        return text if len(value) <= SHOWN else f'{text[:-1]}…"'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and value.bit_length() > 64:
        return "a huge number"
    if isinstance(value, (int, float)):
        return str(value)
    return "a table" if isinstance(value, dict) else "an array" if isinstance(value, list) else "a date or time"


def _is_struct(hint: object) -> TypeGuard[type[msgspec.Struct]]:
    return isinstance(hint, type) and issubclass(hint, msgspec.Struct)


def _is_table(value: object) -> TypeGuard[dict[str, object]]:
    return isinstance(value, dict)


def _table(table: type[Table], raw: Mapping[str, object], key: str) -> Table:
    known = keys(table)
    dot = f"{key}." if key else ""
    for name in raw:
        if name not in known:
            raise ConfigError(_unknown(name, dot, known))
    given = {name: _value(known[name], value, dot + name) for name, value in raw.items()}
    fields = msgspec.structs.fields(table)
    for field in fields:
        if field.required and field.encode_name not in given:
            raise ConfigError(f"{dot}{field.encode_name}: required key is missing")
    return table(**{field.name: given[field.encode_name] for field in fields if field.encode_name in given})


def _unknown(name: str, dot: str, known: Mapping[str, object]) -> str:
    written = name if _BARE_KEY.fullmatch(name) else shown(name)
    near = difflib.get_close_matches(name[:SHOWN], known, n=1)
    return f"{dot}{written}: unknown key" + (f', did you mean "{near[0]}"?' if near else "")


def _value(hint: object, value: object, key: str) -> object:
    if _is_struct(hint):
        if not _is_table(value):
            raise ConfigError(f"{key}: expected a table ([{key}]), got {_kind(value)}")
        return _table(hint, value, key)
    if get_origin(hint) is tuple:
        return _array(get_args(hint)[0], value, key)
    return _scalar(_parser(hint), value, key)


def _array(item: object, value: object, key: str) -> tuple[object, ...]:
    if not isinstance(value, list):
        wanted = f"an array of tables ([[{key}]])" if _is_struct(item) else "an array"
        raise ConfigError(f"{key}: expected {wanted}, got {_kind(value)}")
    return tuple(_value(item, element, f"{key}[{index}]") for index, element in enumerate(value))


def _kind(value: object) -> str:
    return "an array of tables" if isinstance(value, list) and value and _is_table(value[0]) else shown(value)


def _parser(hint: object) -> values.Parser:
    if get_origin(hint) is Annotated:
        parse: values.Parser = get_args(hint)[1]
        return parse
    if get_origin(hint) is Literal:
        return values.choice(get_args(hint))
    if hint is bool:
        return values.boolean
    raise TypeError(f"a setting of type {hint} has no parser")


def _scalar(parse: values.Parser, value: object, key: str) -> object:
    try:
        return parse(value)
    except values.Rejected as wrong:
        got = "" if wrong.secret else f", got {shown(value)}"
        raise ConfigError(f"{key}: expected {wrong.wanted}{got}") from None
