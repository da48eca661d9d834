"""docs/filter.md against the table of fields. To write the table anew: `python -m tests.unit.queue.test_fields`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mailtui.queue import filter
from mailtui.queue.fields import FIELDS, NAMES
from mailtui.queue.filter import FilterError, parse

DOCUMENT = Path(__file__).parents[3] / "docs" / "filter.md"
_TABLE = re.compile(r"(<!-- fields:[^\n]*-->\n)(.*?)(<!-- end -->)", re.DOTALL)


def table() -> str:
    lines = ["| name | alias | type | operators | | means | such as |", "|---|---|---|---|---|---|---|"]
    for field in FIELDS.values():
        operators = " ".join(f"`{operator}`" for operator in field.operators)
        alias = f"`{field.alias}`" if field.alias else ""
        where = {"id": "index", "lane": "index of what waits", "": "scan"}[field.index]
        lines.append(
            f"| `{field.name}` | {alias} | {field.type} | {operators} | {where} | {field.meaning} | `{field.example}` |"
        )
    return "\n".join(lines) + "\n"


def test_the_table_of_fields_is_that_of_the_program() -> None:
    found = _TABLE.search(DOCUMENT.read_text())
    assert found is not None
    assert found[2] == table()


def test_every_filter_shown_is_one() -> None:
    text = DOCUMENT.read_text()
    shown = [line for block in re.findall(r"```\n(domain.*?)```", text, re.DOTALL) for line in block.splitlines()]
    shown += [code for code in re.findall(r"`([^`\n]+)`", text) if re.match(r"-?[a-z]+[:=~]", code)]
    assert len(shown) > 30
    for line in shown:
        if line not in ("field:a,b", "state:"):
            parse(line)


def test_the_error_shown_is_the_one_given() -> None:
    said = DOCUMENT.read_text().rsplit("```", 2)[1].strip()
    with pytest.raises(FilterError) as caught:
        parse("domain:gmail.com state:differed")
    assert str(caught.value) == said


def test_the_bounds_shown_are_those_kept() -> None:
    bounds = DOCUMENT.read_text().split("## Bounds")[1].split("##")[0].replace(",", "")
    numbers = [int(number) for number in re.findall(r"\d+", bounds)]
    assert numbers == [filter.MAX_TEXT, filter.MAX_VALUES, filter.MAX_VALUE, filter.MAX_DEPTH]


def test_every_name_stands_for_one_field_and_every_example_is_a_filter() -> None:
    assert len(NAMES) == len(FIELDS) + sum(bool(field.alias) for field in FIELDS.values())
    for field in FIELDS.values():
        for name in filter_names(field.name):
            found = parse(name + field.example.removeprefix(field.name)).root
            assert isinstance(found, filter.Term)
            assert found.field == field.name


def filter_names(name: str) -> list[str]:
    return [known for known, field in NAMES.items() if field.name == name]


if __name__ == "__main__":
    DOCUMENT.write_text(_TABLE.sub(lambda found: found[1] + table() + found[3], DOCUMENT.read_text()))
