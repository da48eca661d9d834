"""`mailtui report` against a real relay: files for their owner alone, over nothing that is there; exit codes; JSON."""

from __future__ import annotations

import csv
import json
import os
import stat
from pathlib import Path

from tests.control.conftest import put_deferred
from tests.control.test_cli import Done, fails, mailtui
from tests.kit.relay import Relay


def report(relay: Relay, *arguments: str, cwd: Path | None = None) -> Done:
    return mailtui("--config", str(relay.config), "report", *arguments, cwd=cwd)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_directory_for_its_owner_alone(relay: Relay, tmp_path: Path) -> None:
    queue_id = put_deferred(relay, "ana@ticket.example", "bo@ticket.example")
    done = report(relay, "Ticket.example", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    (made,) = tmp_path.iterdir()
    assert made.name.startswith("mailtui-report-Ticket.example-2") and done.stdout.startswith(f"{made.name}: 3 files;")
    (transcript,) = (made / "transcripts").iterdir()
    assert transcript.name in (f"{queue_id}.1-1.txt", f"{queue_id}.2-1.txt")
    assert {path.name for path in made.iterdir()} == {"report.md", "timeline.csv", "transcripts"}
    assert {mode(made), mode(made / "transcripts")} == {0o700}
    assert {mode(path) for path in (made / "report.md", made / "timeline.csv", transcript)} == {0o600}
    text = (made / "report.md").read_text(encoding="utf-8")
    assert "`relay.test`" in text and "Waiting now: 2 recipients" in text
    with (made / "timeline.csv").open(encoding="utf-8", newline="") as file:
        assert {"deferred", "incident"} <= {row["kind"] for row in csv.DictReader(file)}


def test_the_report_alone_and_what_is_there_is_left_alone(relay: Relay, tmp_path: Path) -> None:
    queue_id = put_deferred(relay, "ana@alone.example", body="Subject: between us\r\n\r\nx\r\n")
    target = tmp_path / "r.md"
    assert report(relay, f"{queue_id}.1", "--out", str(target)).stdout == f"{target}: written\n"
    assert mode(target) == 0o600
    text = target.read_text(encoding="utf-8")
    assert queue_id in text and "between us" not in text and "## The message" in text
    assert "between us" in report(relay, queue_id, "--internal", "--out", "-").stdout

    target.write_text("mine")
    fails(report(relay, queue_id, "--out", str(target)), 73, "r.md: there already")
    assert target.read_text() == "mine"
    (tmp_path / "dir").mkdir()
    fails(report(relay, queue_id, "--out", str(tmp_path / "dir")), 73, "dir: there already")
    (tmp_path / "link.md").symlink_to(tmp_path / "nowhere.md")
    fails(report(relay, queue_id, "--out", str(tmp_path / "link.md")), 73, "there already")
    assert not (tmp_path / "nowhere.md").exists() and not list((tmp_path / "dir").iterdir())
    missing = report(relay, queue_id, "--out", str(tmp_path / "no" / "such.md"))
    assert missing.returncode == 74 and missing.stderr.count("\n") == 1


def test_json_is_the_bundle(relay: Relay, tmp_path: Path) -> None:
    put_deferred(relay, "ana@json.example")
    done = report(relay, "json.example", "--window", "1h", "--json", cwd=tmp_path)
    bundle = json.loads(done.stdout)
    assert (bundle["destination"], bundle["internal"], bundle["one"]) == ("json.example", False, None)
    assert bundle["numbers"]["waiting"] == 1 and bundle["samples"][0]["client"] == ""
    assert bundle == bundle | {"subject": "json.example"} and not os.listdir(tmp_path)


def test_what_it_does_not_know(relay: Relay, tmp_path: Path) -> None:
    fails(
        report(relay, "nobody.example", cwd=tmp_path), 65, "no mail for nobody.example is in the queue or its history"
    )
    fails(report(relay, "00000000", cwd=tmp_path), 65, "no such message or recipient: 00000000")
    fails(report(relay, "not a domain", cwd=tmp_path), 65, "neither a domain nor an id")
    fails(report(relay, "nobody.example", "--window", "9d", cwd=tmp_path), 65, "from 1m to 2d")
    fails(report(relay, "x.example", "--json", "--out", "-", cwd=tmp_path), 64, "--json")
    fails(report(relay, cwd=tmp_path), 64, "Missing argument 'SUBJECT'")
    assert not os.listdir(tmp_path)
