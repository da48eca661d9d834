from __future__ import annotations

import sqlite3
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.queue.office import NOW, Office, id_of

from mailtui.errors import EX_DATAERR
from mailtui.model import State
from mailtui.queue import filter as filters
from mailtui.queue.access import FROM
from mailtui.queue.database import migrations
from mailtui.queue.fields import NAMES
from mailtui.queue.filter import MAX_TEXT, FilterError, parse
from mailtui.queue.queries import scope
from mailtui.queue.selection import EmptySelection, Everything, Ids, select


def _found(office: Office, text: str, verb: bool = False) -> list[str]:
    where = filters.compile(parse(text, verb, NOW))
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
        ("to:ana@* or from:<>", ["Ana@one.example", "carl@one.example"]),
        ("state:deferred (to:ana@* or to:carl@*) not from:<>", ["Ana@one.example"]),
        ("state:deferred and -from:<>", ["Ana@one.example"]),
        ("NOT state:deferred OR carl", ["bo@two.example", "carl@one.example", "50%_off@sub.one.example"]),
        ("-(state:deferred or to:bo@*)", ["50%_off@sub.one.example"]),
        ("-domain:one.example -domain:two.example", ["50%_off@sub.one.example"]),
        ("to=%", []),
        ("to=ANA@one.example", ["Ana@one.example"]),
        ("to=ana@*", []),
        ("to~%_OFF", ["50%_off@sub.one.example"]),
        ("to~*", []),
        ("code:4", ["Ana@one.example", "carl@one.example"]),
        ("code:4.7", ["Ana@one.example", "carl@one.example"]),
        ("code=4", []),
        ("code:0", ["bo@two.example", "50%_off@sub.one.example"]),
        ('text~"slow D"', ["Ana@one.example", "carl@one.example"]),
        ("age:200s+", ["Ana@one.example", "bo@two.example", "carl@one.example"]),
        ("age>200s", ["Ana@one.example", "bo@two.example"]),
        ("age:3m20s-", ["carl@one.example", "50%_off@sub.one.example"]),
        ("age<=1m40s", ["50%_off@sub.one.example"]),
        ("tries:1", ["Ana@one.example", "carl@one.example"]),
        ("tries:0,5+", ["bo@two.example", "50%_off@sub.one.example"]),
        ("next:5m-", ["Ana@one.example", "bo@two.example", "carl@one.example", "50%_off@sub.one.example"]),
        ("next<5m", ["bo@two.example", "50%_off@sub.one.example"]),
        ("next:1s+", ["Ana@one.example", "carl@one.example"]),
        ("size:21-", ["Ana@one.example", "bo@two.example", "carl@one.example", "50%_off@sub.one.example"]),
        ("size:1k+", []),
        ("stage:RCPT", ["Ana@one.example", "carl@one.example"]),
        ("mx:192.0.2.1 host:MX.* tls:yes", ["Ana@one.example", "carl@one.example"]),
        ("tls:no,TLSv1.2", []),
        ("-tls:no -tls:yes", ["bo@two.example", "50%_off@sub.one.example"]),
        ("route:mx client:127.*", ["Ana@one.example", "bo@two.example", "carl@one.example", "50%_off@sub.one.example"]),
        ('user:""', ["Ana@one.example", "bo@two.example", "carl@one.example", "50%_off@sub.one.example"]),
        ("user:?*", []),
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


_ERRORS = [
    ("state:held stat:x", False, 'unknown field "stat", did you mean "state"', "stat"),
    ("colour:red", False, "(known: id, state, domain,", "colour"),
    ("domain:", False, "domain: needs a value, such as domain:", ""),
    ("state:held domain: to:x", False, "domain: needs a value, such as domain:", " to:x"),
    ("to:x Domain", False, "domain needs a value, such as domain:", "Domain"),
    ("to:x dom", True, "domain needs a value, such as domain:", "dom"),
    ("state:held,", False, "state: needs a value", ""),
    ('reply~""', False, "reply~ needs a value", '""'),
    ('to:x ""', False, "an empty word", '""'),
    ("to:x state:differed", False, 'no state "differed", did you mean "deferred"', "differed"),
    ('state:""', False, 'no state ""', '""'),
    ("stage:lunch", False, "there are dns, connect,", "lunch"),
    ("code:abc", False, "neither a reply code", "abc"),
    ("code:4.7.1,4..", False, "neither a reply code", "4.."),
    ("id:nonsense!", False, "not a queue id", "nonsense!"),
    ("id=05*", False, "a beginning is asked for as id:05*", "05*"),
    ("age>2h state>held", False, "> is not an operator of state, which has : =", ">held"),
    ("to:x subject<=x", False, "<= is not an operator of subject, which has : = ~", "<="),
    ("age:2h", False, "write age:2h+ for at least or age:2h- for at most", "2h"),
    ("age:2h+,3", False, '"3" is not a duration: write age:2h+', "3"),
    ("age>2h+", False, "is not a duration", "2h+"),
    ("age:2x+", False, "is not a duration", "2x+"),
    ("age:+", False, "is not a duration", "+"),
    ("size=1MB", False, "= is not an operator of size", "=1MB"),
    ("size:1XB+", False, '"1XB+" is not a size: write size:1MB+', "1XB+"),
    ("tries:many", False, "is not a number", "many"),
    ("since:9", False, "is not a moment: write since:09:00", "9"),
    ("since:25:00", False, "is not a moment", "25:00"),
    ("since:2026-02-30", False, "is not a moment", "2026-02-30"),
    ("since:2026-02-20T", False, "is not a moment", "2026-02-20T"),
    ('to:"ana', False, "quote that is not closed", '"ana'),
    ('to:x "a""', False, "quote that is not closed", '"a""'),
    ("istio.io", True, "did you mean domain:istio.io?", "istio.io"),
    ("to:x ana@one.example", True, "is not a queue id", "ana@one.example"),
    ("or to:x", False, '"or" needs something before it', "or"),
    ("to:x or", False, '"or" needs something behind it', "or"),
    ("to:x OR or to:y", False, '"OR" needs something behind it', "OR"),
    ("to:x and", False, '"and" needs something behind it', "and"),
    ("to:x and or to:y", False, '"and" needs something behind it', "and"),
    ("(not) to:x", False, '"not" needs something behind it', "not"),
    ("to:x -or", False, '"-" needs something behind it', "-or"),
    ("to:x - to:y", False, '"-" stands once, right before', "- to:y"),
    ("to:x --to:y", False, '"-" stands once, right before', "--to:y"),
    ("to:x ()", False, "nothing stands in these parentheses", "()"),
    ("to:x (and to:y)", False, '"and" needs something before it', "and"),
    ("to:x (", False, "nothing stands in these parentheses", "("),
    ("(to:x (to:y)", False, 'a "(" that is not closed', "(to:x"),
    ("to:x) to:y", False, 'a ")" without its "("', ") to:y"),
    (") to:x", False, 'a ")" without its "("', ") to:x"),
    ("lookup(x)", False, 'a blank is missing before "("', "(x)"),
]


@pytest.mark.parametrize(
    ("unseen", "name"), [("\x07", "U+0007"), ("\u200b", "U+200B"), ("\x1b", "U+001B"), ("\ud800", "U+D800")]
)
def test_what_nobody_can_see_is_pointed_at(unseen: str, name: str) -> None:
    with pytest.raises(FilterError, match="a character that cannot be seen") as caught:
        parse(f"state:held domain:a{unseen}b")
    assert name in caught.value.reason
    assert str(caught.value).split("\n")[1:] == ["  state:held domain:a\ufffdb", "                     ^"]


@pytest.mark.parametrize(("text", "verb", "reason", "under"), _ERRORS)
def test_errors_name_the_word_and_point_at_it(text: str, verb: bool, reason: str, under: str) -> None:
    with pytest.raises(FilterError) as caught:
        parse(text, verb)
    error = caught.value
    assert error.exit_code == EX_DATAERR
    assert reason in error.reason
    assert error.text[error.at :].startswith(under) if under else error.at == len(text)
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


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("domain:x state:held", True),
        ("domain:x", False),
        ("domain:x (to:y or st:held)", True),
        ("domain:x -state:held", False),
        ("domain:x -(to:y or -state:held)", True),
    ],
)
def test_which_filters_say_which_states_they_mean(text: str, names: bool) -> None:
    assert parse(text).names_state is names


@pytest.mark.parametrize(
    ("text", "scans"),
    [
        ("", False),
        ("id:05JQ3K8T", False),
        ("05JQ3K8T", True),
        ("domain:x", True),
        ("domain:x state:deferred to:y", False),
        ("domain:x state:held,deferred", True),
        ("domain:x -state:deferred", True),
        ("-domain:x state:deferred", True),
        ("domain:x age:2h+", False),
        ("age>2h or since:09:00", True),
        ("age>2h or domain:x", True),
        ("-age>2h", True),
        ("to:x (id:05* since:09:00 -domain:x)", False),
        ("id:05JQ3K8T,05JQ3K90.1", False),
        ("id:05JQ3K8T,05*", True),
    ],
)
def test_a_filter_knows_whether_an_index_leads_to_what_it_finds(text: str, scans: bool) -> None:
    assert parse(text).scans is scans


@pytest.mark.parametrize(
    ("text", "at", "reason"),
    [
        ("to:" + ",".join("a" * 501), 3 + 2 * 500, "500 values"),
        ("a " * 501, 2 * 500, "500 values"),
        ("x to:" + "a" * 2000, 5, "1000 characters"),
        ("x " * 50_000, MAX_TEXT, f"{MAX_TEXT} characters"),
        ("(" * 50 + "a" + ")" * 50, 16, "within each other"),
        ("not " * 5000 + "a", 16 * 4, "within each other"),
        ("-(" * 9000 + "a" + ")" * 9000, 16, "within each other"),
    ],
)
def test_too_much_is_refused(text: str, at: int, reason: str) -> None:
    with pytest.raises(FilterError, match=reason) as caught:
        parse(text)
    assert caught.value.at == at
    assert "^" in str(caught.value)


# ---------------------------------------------------------------------- selections


def test_a_selection_must_say_what_it_means() -> None:
    with pytest.raises(EmptySelection):
        select()
    with pytest.raises(EmptySelection):
        select(text="  ")
    assert isinstance(select(everything=True), Everything)
    assert select(["05JQ3K8T"]) == Ids(("05JQ3K8T",))
    assert select(text="05JQ3K8T 05JQ3K90.2") == Ids(("05JQ3K8T", "05JQ3K90.2"))
    assert select(text="id:05JQ3K8T") == Ids(("05JQ3K8T",))
    assert isinstance(select(text="05JQ3K8T state:held"), filters.Filter)
    assert isinstance(select(text="-05JQ3K8T"), filters.Filter)


def test_words_of_time_count_from_the_moment_they_were_asked() -> None:
    assert filters.compile(parse("age:2h+", now=NOW)) != filters.compile(parse("age:2h+", now=NOW + 60))
    selected = select(text="age:2h+", now=NOW)
    assert isinstance(selected, filters.Filter)
    assert selected.now == NOW
    for text in ("age:2h+", "next<1m", "to:x or -since:09:00"):
        with pytest.raises(ValueError, match="when it is asked"):
            filters.compile(parse(text))


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
        *NAMES,
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
        "(",
        ")",
        "-",
        " or ",
        " not ",
        " and ",
        "=",
        "~",
        ">",
        "<=",
        "+",
        "2h",
        "1MB+",
        "09:00",
        "2026-11-22",
        "99999999999999999999",
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


_WORDS = st.builds(
    "{}{}{}".format,
    st.sampled_from(["", "-", "not ", "("]),
    st.builds(
        "{}{}{}".format,
        st.sampled_from([*NAMES]),
        st.sampled_from([":", "=", "~", ">", "<", ">=", "<="]),
        st.one_of(_PIECES, st.text(max_size=10)),
    ),
    st.sampled_from(["", ")", " or", ","]),
)
_TEXTS |= st.lists(_WORDS, max_size=6).map(" ".join)


@settings(max_examples=600, deadline=None)
@given(text=_TEXTS, verb=st.booleans())
def test_any_text_is_an_sql_condition_or_a_filter_error(empty: sqlite3.Connection, text: str, verb: bool) -> None:
    try:
        found = parse(text, verb, NOW)
    except FilterError as error:
        assert str(error).encode()
        assert 0 <= error.at <= len(error.text)
        assert "^" in str(error)
        return
    assert parse(filters.show(found.root), verb, NOW).root == found.root
    where = filters.compile(found)
    assert set(where.sql) <= _OURS
    assert len(empty.execute(f"SELECT r.id{FROM}{where.sql}", where.params).fetchall()) <= 1


#: All characters of any condition, so none of input.
_OURS = set(string.ascii_letters + string.digits + " ().,<>=?_|'\\-+$[]")


@given(
    value=st.text(st.characters(exclude_characters='"', exclude_categories=["C"]), min_size=1, max_size=40).filter(
        lambda text: text.isprintable() and text.strip() == text
    )
)
def test_a_quoted_address_finds_itself(empty: sqlite3.Connection, value: str) -> None:
    empty.execute("UPDATE recipient SET address = ?", (value,))
    where = filters.compile(parse(f'to:"{value}"'))
    assert len(empty.execute(f"SELECT r.id{FROM}{where.sql}", where.params).fetchall()) == 1


@pytest.mark.parametrize(
    "text",
    [
        "to:" + ",".join(["*a?"] * 500),
        " ".join(["a"] * 500),
        " or ".join(["a -b"] * 250),
        "id:" + ",".join(["05*"] * 500),
        "to:" + "*a" * 499,
        "tries:" + "9" * 15 + "+ size:" + "9" * 15 + "T- age:" + "9" * 9 + "w+ next:" + "9" * 9 + "w-",
        "stage:" + ",".join(["*"] * 500),
        " ".join(["-tls:no"] * 500),
        "-(tls:x or " * 8 + "tls:x" + ")" * 8,
        "(tls:x or -code:4 " * 8 + "-(tls:x or " * 4 + "tls:x" + ")" * 12,
        "(route:x or (mx:y " * 8 + " ".join(["a"] * 300) + "))" * 8,
        "not " * 16 + "next:1m-",
    ],
)
def test_the_largest_filters_stay_within_what_sqlite_takes(empty: sqlite3.Connection, text: str) -> None:
    where = scope(parse(text, now=NOW))
    empty.execute(f"SELECT r.id{FROM}{where.sql} AND r.id > 0 ORDER BY r.id LIMIT 5", where.params).fetchall()
