"""What the documents promise exists: commands, options, files they point to, the example of the configuration."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from mailtui.cli.root import main

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
#: Documents that are pointed to and not written yet; off the list with the day they are.
COMING: set[str] = set()


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def without_code(text: str) -> str:
    return re.sub(r"^(```|    ).*?$", "", text, flags=re.MULTILINE)


def spoken(text: str) -> list[str]:
    """Every `mailtui ...` of a document: in backticks, in blocks of code, after a path."""
    quoted = re.findall(r"`(?:\S*/)?mailtui( [^`]+)`", text)
    blocks = re.findall(r"^(?:\s{4}|\$ |>).*?\bmailtui( [^\n#&|]+)", text, flags=re.MULTILINE)
    return [words.strip() for words in (*quoted, *blocks)]


def resolve(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that words name, and what is left of them."""
    command: click.Command = main
    while words:
        if isinstance(command, click.Group) and not words[0].startswith("-"):
            below = command.get_command(click.Context(command), words[0])
            assert below is not None, f"there is no command {words[0]!r}"
            command, words = below, words[1:]
        elif isinstance(command, click.Group) and words[0].startswith("--"):
            words = words[2:]
        else:
            break
    return command, words


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_commands_and_options_exist(document: Path) -> None:
    wrong = []
    lines = spoken(document.read_text(encoding="utf-8"))
    assert lines or document.name != "README.md", "this test found nothing to look at"
    for line in lines:
        words = [word for word in shlex.split(line.replace("…", " ").replace("'", "")) if not word.startswith("[")]
        if not words or not re.fullmatch(r"[a-z-]+", words[0]):
            continue
        try:
            command, rest = resolve(words)
        except AssertionError as error:
            wrong.append(f"{line}: {error}")
            continue
        options = {
            option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)
        } | {"--help", "-h"}
        wrong += [
            f"{line}: no option {word}"
            for word in rest
            if word.startswith("--") and word.partition("=")[0] not in options
        ]

    assert wrong == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_links_lead_to_files(document: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", without_code(document.read_text(encoding="utf-8")))
    here = [target for target in targets if not re.match(r"[a-z]+:", target)]

    missing = {name((document.parent / target).resolve()) for target in here if not (document.parent / target).exists()}
    assert missing - COMING == set()


def test_the_list_of_coming_documents_is_true() -> None:
    assert [path for path in COMING if (ROOT / path).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_modules_that_are_named_exist(document: Path) -> None:
    named = re.findall(
        r"`((?:intake|queue|delivery|feedback|trust|control|cli|lab|config)/[a-z0-9_./]+)`",
        document.read_text(encoding="utf-8"),
    )
    source = ROOT / "src" / "mailtui"
    missing = []
    for path in named:
        module, _, attribute = (
            path.rstrip(".").partition(".") if not path.endswith((".py", ".sql", ".toml")) else (path, "", "")
        )
        there = [source / module, source / f"{module}.py"]
        if not any(place.exists() for place in there) or (
            attribute and attribute not in there[1].read_text(encoding="utf-8")
        ):
            missing.append(path)

    assert missing == []


def test_the_example_of_the_configuration_is_kept_true_by_a_test() -> None:
    assert "config.example.toml" in (ROOT / "tests" / "unit" / "test_config.py").read_text(encoding="utf-8")
    assert (ROOT / "config.example.toml").exists()


def test_every_dependency_is_explained() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    runtime = project.partition("\ndependencies = [")[2].partition("]\n")[0]
    explained = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")

    names = re.findall(r'"([A-Za-z0-9._-]+)', runtime)
    assert len(names) > 5
    assert [found for found in names if found not in explained] == []


def test_the_project_speaks_of_itself_alone() -> None:
    """No path of somebody's machine in what is shipped."""
    shipped = [*DOCUMENTS, ROOT / "config.example.toml", *(ROOT / "src").rglob("*.py"), *(ROOT / "src").rglob("*.toml")]

    assert [
        name(path) for path in shipped if re.search(r"/(?:work|home/\w+|root)/", path.read_text(encoding="utf-8"))
    ] == []
