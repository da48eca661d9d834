from __future__ import annotations

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.queue.office import Office, id_of

from mailtui.errors import EX_DATAERR
from mailtui.model import State
from mailtui.queue import filter as filters
from mailtui.queue.database import migrations
from mailtui.queue.fields import FIELDS
from mailtui.queue.filter import FilterError, parse
from mailtui.queue.queries import FROM
from mailtui.queue.selection import EmptySelection, Everything, Ids, select


def _found(office: Office, text: str, verb: bool = False) -> list[str]:
    where = filters.compile(parse(text, verb))
    return [row[0] for row in office.db.execute(f"SELECT r.address{FROM}{where.sql} ORDER BY r.id", where.params)]


@pytest.fixture
def mixed(office: Office) -> Office:
    office.message("Ana@one.example", "bo@two.example", sender="News@list.example", age=300)
    office.message("carl@one.example", sender="", age=200)
    office.message("50%_off@sub.one.example", sender="shop@example.org", age=100)
    office.try_all("one.example")
    return office


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", ["Ana@one.example", "bo@two.example", "carl@one.example", "50%_off@sub.one.example"]),
        ("state:deferred", ["Ana@one.example", "carl@one.example"]),
        ("STATE:Queued", ["bo@two.example", "50%_off@sub.one.example"]),
        ("state:def*,held", ["Ana@one.example", "carl@one.example"]),
        ("domain:ONE.example", ["Ana@one.example", "carl@one.example"]),
        ("domain:*.one.example,two.example", ["bo@two.example", "50%_off@sub.one.example"]),
        ("to:ana@*", ["Ana@one.example"]),
        ("to:50%_*", ["50%_off@sub.one.example"]),
        ("to:%", []),
        ("to:???@one.example", ["Ana@one.example"]),
        ("from:news@LIST.example", ["Ana@one.example", "bo@two.example"]),
        ("from:<>", ["carl@one.example"]),
        ("class:Throttled", ["Ana@one.example", "carl@one.example"]),
        ("code:451", ["Ana@one.example", "carl@one.example"]),
        ("code:4??", ["Ana@one.example", "carl@one.example"]),
        ("code:4.7.*,550", ["Ana@one.example", "carl@one.example"]),
        ("code:5*", []),
        ("state:deferred from:<>", ["carl@one.example"]),
        ("list.example", ["Ana@one.example", "bo@two.example"]),
        ('"slow down"', ["Ana@one.example", "carl@one.example"]),
        ("slow*down carl", ["carl@one.example"]),
    ],
)
def test_words_find_what_they_say(mixed: Office, text: str, wanted: list[str]) -> None:
    assert _found(mixed, text) == wanted


def test_ids_find_messages_recipients_and_beginnings(mixed: Office) -> None:
    first = mixed.db.execute("SELECT min(id) FROM message").fetchone()[0]
    assert _found(mixed, f"id:{id_of(first)}") == ["Ana@one.example", "bo@two.example"]
    assert _found(mixed, f"id:{id_of(first, 2).lower()}") == ["bo@two.example"]
    assert _found(mixed, id_of(first, 2)) == ["bo@two.example"]
    assert _found(mixed, f"id:{id_of(first)[:2]}*") == _found(mixed, "")
    assert _found(mixed, f"{id_of(first, 1)} {id_of(first, 2)}", verb=True) == ["Ana@one.example", "bo@two.example"]


@pytest.mark.parametrize(
    ("text", "verb", "reason", "under"),
    [
        ("state:held stat:x", False, 'unknown field "stat", did you mean "state"', "stat"),
        ("domain:", False, "domain: needs a value, such as domain:", ""),
        ("state:held,", False, "state: needs a value", ""),
        ("to:x state:differed", False, 'no state "differed", did you mean "deferred"', "differed"),
        ("code:abc", False, "neither a reply code", "abc"),
        ("id:nonsense!", False, "not a queue id", "nonsense!"),
        ("age>2h state>held", False, "> is not an operator here", ">"),
        ("a or b", False, "a comma inside a value", "or"),
        ("state:held -domain:x", False, "there is no", "-domain:x"),
        ('to:"ana', False, "quote that is not closed", '"'),
        ("istio.io", True, "did you mean domain:istio.io?", "istio.io"),
    ],
)
def test_errors_name_the_word_and_point_at_it(text: str, verb: bool, reason: str, under: str) -> None:
    with pytest.raises(FilterError) as caught:
        parse(text, verb)
    error = caught.value
    assert error.exit_code == EX_DATAERR
    assert reason in error.reason
    if under:
        assert error.text[error.at : error.at + len(under)] == under
    said, line, caret = str(error).split("\n")
    assert said == error.reason
    assert line.strip() == text.strip()
    assert caret.index("^") == 2 + error.at


def test_the_caret_stands_under_the_word_behind_wide_characters_and_in_long_texts() -> None:
    with pytest.raises(FilterError) as caught:
        parse("to:郵便@example.org stat:x")
    assert str(caught.value).split("\n")[2] == "  " + " " * 20 + "^^^^"
    with pytest.raises(FilterError) as caught:
        parse("to:a " * 100 + "stat:x " + "to:b " * 100)
    _, line, caret = str(caught.value).split("\n")
    assert len(line) < 100
    assert line[caret.index("^") :].startswith("stat:x")


def test_control_characters_do_not_come_back_in_errors() -> None:
    with pytest.raises(FilterError) as caught:
        parse("stat:\x1b[2J\ud800")
    assert str(caught.value).replace("\n", "").isprintable()


def test_a_filter_with_a_state_word_names_states() -> None:
    assert parse("domain:x state:held").names_state
    assert not parse("domain:x").names_state


def test_too_much_is_refused() -> None:
    with pytest.raises(FilterError, match="500 values"):
        parse("to:" + ",".join("a" * 501))
    with pytest.raises(FilterError, match="characters"):
        parse("to:" + "a" * 2000)
    with pytest.raises(FilterError, match="characters"):
        parse("x " * 50_000)


# ---------------------------------------------------------------------- selections


def test_a_selection_must_say_what_it_means() -> None:
    with pytest.raises(EmptySelection):
        select()
    with pytest.raises(EmptySelection):
        select(text="  ")
    assert isinstance(select(everything=True), Everything)
    assert select(["05JQ3K8T"]) == Ids(("05JQ3K8T",))
    assert select(text="05JQ3K8T 05JQ3K90.2") == Ids(("05JQ3K8T", "05JQ3K90.2"))
    assert isinstance(select(text="05JQ3K8T state:held"), filters.Filter)


@pytest.mark.parametrize(
    "arguments",
    [(["05JQ3K8T"], "state:held", False), ([], "state:held", True), (["x"], "", False), (["05*"], "", False)],
)
def test_mixed_and_malformed_selections_are_refused(arguments: tuple[list[str], str, bool]) -> None:
    with pytest.raises(FilterError):
        select(*arguments)


# ---------------------------------------------------------------------- hostile input

_PIECES = st.sampled_from(
    [
        *FIELDS,
        *State,
        ":",
        ",",
        "*",
        "?",
        '"',
        "'",
        "%",
        "_",
        "\\",
        " ",
        "--",
        ";",
        "\0",
        "451",
        "4.7.1",
        "05JQ3K8T",
        ".1",
    ]
)
_TEXTS = st.one_of(st.text(max_size=80), st.lists(_PIECES, max_size=30).map("".join))


@pytest.fixture(scope="module")
def empty() -> sqlite3.Connection:
    db = sqlite3.connect(":memory:")
    for _, script in migrations():
        db.executescript(script)
    db.execute("INSERT INTO message (id, phase, received_at, sender) VALUES (1, 'stored', 0, 'a%_\\b@c')")
    db.execute("INSERT INTO lane (id, destination, route) VALUES (1, 'c', 'mx')")
    db.execute(
        "INSERT INTO recipient (id, address, lane, state, next_attempt, expires_at, changed_at) VALUES (?, 'x@c', 1, 'queued', 0, 0, 0)",
        (1 << 20 | 1,),
    )
    return db


@given(text=_TEXTS, verb=st.booleans())
def test_any_text_is_an_sql_condition_or_a_filter_error(empty: sqlite3.Connection, text: str, verb: bool) -> None:
    try:
        where = filters.compile(parse(text, verb))
    except FilterError as error:
        assert str(error).encode()
        return
    assert text not in where.sql or not text.strip() or len(text) < 12
    assert len(empty.execute(f"SELECT r.id{FROM}{where.sql}", where.params).fetchall()) <= 1


@given(
    value=st.text(st.characters(exclude_characters='"', exclude_categories=["C"]), min_size=1, max_size=40).filter(
        lambda text: text.isprintable() and text.strip() == text
    )
)
def test_a_quoted_address_finds_itself(empty: sqlite3.Connection, value: str) -> None:
    empty.execute("UPDATE recipient SET address = ?", (value,))
    where = filters.compile(parse(f'to:"{value}"'))
    assert len(empty.execute(f"SELECT r.id{FROM}{where.sql}", where.params).fetchall()) == 1


def test_the_largest_filters_stay_within_what_sqlite_takes(empty: sqlite3.Connection) -> None:
    for text in (
        "to:" + ",".join(["*a?"] * 500),
        " ".join(["a"] * 500),
        "id:" + ",".join(["05*"] * 500),
        "to:" + "*a" * 499,
    ):
        where = filters.compile(parse(text))
        empty.execute(f"SELECT r.id{FROM}{where.sql}", where.params).fetchall()
