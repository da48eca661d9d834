"""The shape of the house: a paragraph at the top of every module, no module too long, tests where one looks for them."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "mailtui"
MODULES = sorted(SOURCE.rglob("*.py"))
UNITS = sorted((ROOT / "tests" / "unit").rglob("test_*.py"))

LONGEST = 420
#: Tests of something that is no module: what the library under intake does, and the triggers of queue/sql.
NO_MODULE = {"intake/test_stock_findings.py", "intake/test_session_findings.py", "queue/test_triggers.py"}


def name(path: Path, below: Path = SOURCE) -> str:
    return path.relative_to(below).as_posix()


@pytest.mark.parametrize("module", MODULES, ids=name)
def test_a_module_opens_with_what_it_is(module: Path) -> None:
    text = module.read_text(encoding="utf-8")
    tree = ast.parse(text)
    docstring = ast.get_docstring(tree) or ""

    assert re.match(r"[\"A-Z`]|mailtui: ", docstring), "a paragraph first"
    assert len(text.splitlines()) <= LONGEST


def test_every_unit_test_mirrors_a_module() -> None:
    strays = set()
    for test in UNITS:
        there = test.relative_to(ROOT / "tests" / "unit")
        module = SOURCE / there.with_name(there.name.removeprefix("test_"))
        if not module.exists() and not module.with_suffix("").is_dir():
            strays.add(there.as_posix())

    assert strays == NO_MODULE


def test_every_task_has_an_owner() -> None:
    """A task nobody holds may vanish in the middle of its work."""
    loose = []
    for module in MODULES:
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
                called = node.value.func
                owner = called.value if isinstance(called, ast.Attribute) else None
                word = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
                if (
                    word in ("create_task", "ensure_future")
                    and "group" not in ast.unparse(owner or ast.Name("")).lower()
                ):
                    loose.append(f"{name(module)}:{node.lineno}")

    assert loose == []


def test_nothing_is_printed_but_by_the_command_line() -> None:
    printing = [
        f"{name(module)}:{node.lineno}"
        for module in MODULES
        if not name(module).startswith("cli/")
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]

    assert printing == []


def test_sql_stands_in_its_room() -> None:
    """A word of SQL in a string outside queue/ is a second place that knows the tables."""
    statement = re.compile(r"\b(SELECT .+ FROM|INSERT INTO|DELETE FROM|UPDATE \w+ SET)\b")
    strays = [
        name(module)
        for module in MODULES
        if not name(module).startswith("queue/") and statement.search(module.read_text(encoding="utf-8"))
    ]

    assert strays == []
