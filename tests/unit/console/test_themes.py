"""Themes: the shipped ones are whole, the user's are checked."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailtui.console import themes
from mailtui.errors import ConfigError


def test_six_are_shipped_and_each_says_everything() -> None:
    found = themes.load(None)
    assert sorted(found) == ["ansi-dark", "ansi-light", "relay-cb", "relay-contrast", "relay-dark", "relay-light"]
    for theme in found.values():
        assert set(theme.variables) >= {*themes.VARIABLES, "mt-cursor-style"}


def test_the_users_own_stands_beside_them_or_instead(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('name = "night"\nprimary = "#5fafff"\n[variables]\nmt-held = "#56b4e9"\n')
    (tmp_path / "b.toml").write_text('name = "relay-dark"\nprimary = "#111111"\n')
    found = themes.load(tmp_path)
    assert found["night"].variables == {"mt-held": "#56b4e9"}
    assert found["relay-dark"].primary == "#111111"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('name = "x"\nprimary = "bleu"', "primary: 'bleu' is no colour"),
        ('name = "x"\nprimry = "red"', "primry: no such key; primary?"),
        ('primary = "red"', "name: a name"),
        ('name = "x"', "primary: a colour is wanted"),
        ('name = "x"\nprimary = "red"\n[variables]\nmt-hold = "red"', "variables.mt-hold: no such key; mt-held?"),
        ('name = "x"\nprimary = "red"\n[variables]\nmt-cursor-style = "blink"', "bold, reverse or none"),
        ('name = "x"\nprimary = "red"\ndark = 1', "dark: true or false"),
        ("name = ", "mine.toml: "),
    ],
)
def test_what_is_wrong_is_named(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        themes.parse(text, "mine.toml")
    assert "mine.toml" in str(error.value) and said in str(error.value)
