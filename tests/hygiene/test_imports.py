"""Who imports whom, and what a command must not load: asked of fresh interpreters."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def loaded(code: str) -> set[str]:
    """The top-level modules in a fresh interpreter after `code`."""
    program = f"import sys\ntry:\n    {code}\nexcept SystemExit as end:\n    assert not end.code, end.code\nprint('\\n', *sys.modules)"
    found = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert found.returncode == 0, found.stderr
    return {name.partition(".")[0] for name in found.stdout.rpartition("\n ")[2].split()}


@pytest.mark.parametrize(
    "command", [["serve", "--help"], ["queue", "--help"], ["status", "--help"], ["--version"]], ids=" ".join
)
def test_headless_commands_load_no_screen(command: list[str]) -> None:
    modules = loaded(f"sys.argv = ['mailtui', *{command!r}]; from mailtui.__main__ import main; main()")

    assert "mailtui" in modules
    assert not modules & {"textual", "rich"}


def test_a_relay_without_its_window_needs_neither_http_nor_a_command_line() -> None:
    """Deleting control/, console/ and cli/ leaves a working relay."""
    modules = loaded("import mailtui.relay")

    assert not modules & {"aiohttp", "click", "textual", "rich"}


def test_the_vocabulary_loads_nothing_heavy() -> None:
    assert not loaded("import mailtui.model, mailtui.events, mailtui.views") & {
        "aiohttp",
        "aiosmtplib",
        "aiosqlite",
        "sqlite3",
        "dns",
        "click",
    }


def test_tests_of_other_mail_software_are_no_part_of_the_product() -> None:
    assert not loaded("import mailtui.relay, mailtui.service") & {"aiosmtpd", "dkim", "hypothesis", "pytest", "flufl"}


def test_the_rooms_keep_their_contracts() -> None:
    program = (
        "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command(['--no-cache']))"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=100, check=False
    )

    assert found.returncode == 0, found.stdout + found.stderr
    assert " 0 broken" in found.stdout
