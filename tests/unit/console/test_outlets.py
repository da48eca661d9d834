"""The ways out: what a clipboard, a pager and a file get, and what is said about it."""

from __future__ import annotations

import csv
import json
import re
import stat
import sys
from pathlib import Path

import pytest

from mailtui.console import outlets
from mailtui.views import QueueRow

EVIL = "=cmd|'/C calc'!A0\x1b]52;c;aGk=\x07"


def row(subject: str) -> QueueRow:
    return QueueRow("0Z.1", "a@b", "", subject, "", "held", "b", "", 1, None, 5, 10, 0, "", "", "")


def tool(folder: Path, name: str, program: str) -> str:
    path = folder / name
    path.write_text(f"#!{sys.executable}\n{program}\n")
    path.chmod(0o755)
    return str(path)


def test_text_is_harmless_line_by_line() -> None:
    assert outlets.text(["a\x1b[31mb  ", "c\nd"]) == "a\\x1b[31mb\nc\\x0ad\n"


@pytest.mark.parametrize(("code", "good"), [(0, True), (1, False)])
async def test_in_tmux_its_buffer_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, good: bool
) -> None:
    program = f"import sys; open({str(tmp_path / 'got')!r}, 'w').write(' '.join(sys.argv[1:]) + sys.stdin.read()); sys.exit({code})"
    tool(tmp_path, "tmux", program)
    monkeypatch.setenv("PATH", str(tmp_path))
    sent: list[str] = []
    said, known = await outlets.copy("id", "0Z.1", {"TMUX": "x"}, sent.append)
    assert (tmp_path / "got").read_text() == "load-buffer -w -0Z.1"
    assert known == good and ("tmux's buffer" in said) == good and sent == ([] if good else ["0Z.1"])


async def test_elsewhere_the_terminal_is_told_and_too_much_is_refused() -> None:
    sent: list[str] = []
    said, known = await outlets.copy("reply", "421 later", {}, sent.append)
    assert sent == ["421 later"] and known and "9 octets" in said
    said, known = await outlets.copy("transcript", "x" * (outlets.MOST + 1), {}, sent.append)
    assert len(sent) == 1 and not known and "a clipboard takes" in said


def test_the_pager_is_the_user_s_and_gets_the_text(tmp_path: Path) -> None:
    mine = tool(
        tmp_path, "mine", f"import sys; open({str(tmp_path / 'got')!r}, 'w').write(sys.argv[1] + sys.stdin.read())"
    )
    assert outlets.pager({"PAGER": f"{mine} -X"}) == [mine, "-X"]
    assert outlets.pager({"PAGER": "/no/such/pager"})[0] in ("less", "more")
    assert outlets.page([mine, "-X"], "text\n") == ""
    assert (tmp_path / "got").read_text() == "-Xtext\n"
    assert "ended with 3" in outlets.page([tool(tmp_path, "bad", "raise SystemExit(3)")], "x")


def test_a_file_is_new_and_its_owner_s(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    file = outlets.NewFile(str(path))
    file.write("é\n")
    file.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and path.read_text() == "é\n" and file.octets == 3
    with pytest.raises(FileExistsError):
        outlets.NewFile(str(path))
    (tmp_path / "link.csv").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError):
        outlets.NewFile(str(tmp_path / "link.csv"))
    assert not (tmp_path / "elsewhere").exists()
    gone = outlets.NewFile(str(tmp_path / "gone.txt"))
    gone.discard()
    assert not (tmp_path / "gone.txt").exists()


def test_where_nothing_can_be_written_is_said_before(tmp_path: Path) -> None:
    (tmp_path / "there.csv").touch()
    assert "nothing is overwritten" in outlets.unwritable(str(tmp_path / "there.csv"))
    assert "must end in" in outlets.unwritable(str(tmp_path / "list.xls"))
    assert "no directory" in outlets.unwritable(str(tmp_path / "no" / "list.csv"))
    assert outlets.unwritable(str(tmp_path / "list.jsonl")) == ""


def test_rows_as_csv_calculate_nothing_and_as_json_are_exact() -> None:
    drawn = outlets.Table("csv")
    whole = drawn.lines([row(EVIL)]) + drawn.lines([row('plain, "quoted"')])
    first, second = csv.DictReader(whole.splitlines())
    assert first["subject"].startswith("'=cmd") and "\x1b" not in whole and first["state"] == "held"
    assert second["subject"] == 'plain, "quoted"'
    assert json.loads(outlets.Table("jsonl").lines([row(EVIL)]))["subject"] == EVIL


def test_rows_as_markdown_are_a_table_whatever_is_in_them() -> None:
    drawn = outlets.Table("md")
    whole = (drawn.lines([row("a | b")]) + drawn.lines([row("<i>*x*</i>\n\x1b[31m")])).splitlines()
    assert len(whole) == 4 and set(whole[1]) <= set("|- ")
    cells = re.compile(r"(?<!\\)\|")
    assert {len(cells.split(one)) for one in whole} == {len(QueueRow.__struct_fields__) + 2}
    assert "a \\| b" in whole[2] and "\\<i\\>\\*x\\*" in whole[3] and "\x1b" not in whole[3]
