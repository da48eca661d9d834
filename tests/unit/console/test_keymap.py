"""The user's keys: taken as written, and wrong ones named."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailtui.console import keymap
from mailtui.errors import ConfigError


def test_keys_are_taken(tmp_path: Path) -> None:
    (tmp_path / "keys.toml").write_text('[keys]\n"msg.retry" = "Y, f5"\n')
    assert keymap.load(tmp_path / "keys.toml") == {"msg.retry": "Y,f5"}
    assert keymap.load(tmp_path / "none.toml") == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[keys]\n"msg.retri" = "R"', "keys.msg.retri: no such action; msg.retry?"),
        ('[keys]\n"msg.retry" = 5', "keys.msg.retry: keys between commas"),
        ('[keys]\n"msg.retry" = "ctrl+i"', "a terminal sends ctrl+i as tab"),
        ('[keys]\n"msg.retry" = "H"', "H is msg.hold already"),
        ("[key]\n", "key: only the table"),
        ("keys = 3", "keys: a table"),
        ("[keys", "keys.toml: "),
    ],
)
def test_what_is_wrong_is_named(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        keymap.parse(text, "keys.toml")
    assert "keys.toml" in str(error.value) and said in str(error.value)
