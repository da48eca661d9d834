"""Which host is dialled, when a kept connection serves, and that every way to fail is an attempt for every recipient."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable

import pytest
from tests.unit.delivery.wire import claim_for, config, smarthost, until

from mailtui import config as settings
from mailtui.config import Config, Route
from mailtui.delivery.courier import HOSTS_TRIED, Courier, Plan, route_key
from mailtui.delivery.dns import Host, Resolver
from mailtui.delivery.route import read_rules
from mailtui.lab.dns import DnsServer
from mailtui.lab.personality import FINE, REFUSING, Act, Personality, Then, Tls, with_auth, with_tls
from mailtui.lab.remote import RemoteServer, reserve
from mailtui.lab.zone import Zone
from mailtui.model import Address, Claim, Delivery, Disposition, Obstacle, Stage

SENDER = Address("app", "example.org")
Make = Callable[..., Courier]


@pytest.fixture
async def dns() -> AsyncIterator[DnsServer]:
    async with DnsServer(Zone()) as server:
        yield server


@pytest.fixture
async def make(dns: DnsServer) -> AsyncIterator[Make]:
    """A courier with these routes; it takes its leave at the end."""
    couriers: list[tuple[Courier, Resolver]] = []

    def build(
        *routes: Route, contents: dict[int, list[bytes]] | None = None, port: int = 25, **tables: object
    ) -> Courier:
        resolver = Resolver([dns.address], timeout=2.0, ipv6=False, port=port, own_names=("relay.test",))

        async def read(message: int, sequence: int) -> bytes | None:
            return dict(enumerate((contents or {})[message])).get(sequence)

        numbers = itertools.count(1)
        courier = Courier(config(**tables), read_rules(routes, port), resolver, read, lambda: next(numbers))
        couriers.append((courier, resolver))
        return courier

    yield build
    for courier, resolver in couriers:
        await courier.close()
        await resolver.aclose()


def plan_to(*remotes: RemoteServer, tls: str = "opportunistic", **route: object) -> Plan:
    """The hosts mx0, mx1, ... behind one port."""
    hosts = tuple(Host(f"mx{n}.test", n, (remote.address[0],)) for n, remote in enumerate(remotes))
    return Plan(smarthost(remotes[0].address[1], tls, **route), "site", hosts)


async def deliver(courier: Courier, plan: Plan, claim: Claim | None = None, signature: bytes = b"") -> Delivery:
    return await courier.deliver(claim or claim_for("a@d.test"), plan, signature)


def summary(delivery: Delivery) -> list[tuple[int, str, str, int]]:
    return [(a.recipient, a.verdict.disposition.value, a.stage.value, a.reply.code) for a in delivery.attempts]


def dialogue(delivery: Delivery) -> str:
    lines = [*(delivery.preamble or (0, ()))[1], *(delivery.dialogue or (0, ()))[1]]
    return "\n".join(f"{line.dir} {line.line}" for line in lines)


DELIVERED = [(1, "delivered", "final-dot", 250)]


# ---------------------------------------------------------------------- plans


async def test_mail_by_mx(make: Make, dns: DnsServer) -> None:
    dns.zone.mx("d.test", "mx1.d.test", "mx2.d.test")
    dns.zone.host("mx1.d.test", "127.0.0.2")
    dns.zone.host("mx2.d.test", "127.0.0.3")
    courier = make()

    plan = await courier.plan("d.test", courier.route_of(SENDER, "d.test", 0))

    assert isinstance(plan, Plan)
    assert {host.name for host in plan.hosts} == {"mx1.d.test", "mx2.d.test"}
    assert plan.site


async def test_rules_lead_elsewhere(make: Make) -> None:
    courier = make(
        Route(match="trash.test", to="discard"),
        Route(match="*.example", to="127.0.0.1:2526"),
        Route(match="late.test", to="127.0.0.1:2527", after_attempts=3),
    )
    keys = {
        name: courier.route_of(SENDER, name, attempts)
        for name, attempts in (("trash.test", 0), ("a.example", 0), ("late.test", 2), ("other.test", 0))
    }

    assert keys["trash.test"].startswith("discard")
    assert keys["other.test"] == keys["late.test"] == "mx"
    assert courier.route_of(SENDER, "late.test", 3) != "mx"
    discard, smart = (
        await courier.plan("trash.test", keys["trash.test"]),
        await courier.plan("a.example", keys["a.example"]),
    )
    assert isinstance(discard, Plan)
    assert isinstance(smart, Plan)
    assert (discard.hosts, smart.site, smart.hosts[0].addresses) == ((), "127.0.0.1:2526", ("127.0.0.1",))


@pytest.mark.parametrize(
    ("build", "disposition", "status"),
    [
        (lambda zone: None, Disposition.BOUNCED, "5.1.2"),
        (lambda zone: zone.null_mx("d.test"), Disposition.BOUNCED, "5.1.10"),
        (lambda zone: zone.mx("d.test", "relay.test"), Disposition.BOUNCED, "5.4.6"),
        (lambda zone: zone.mx("d.test", "nowhere.test"), Disposition.DEFERRED, "4.4.4"),
    ],
    ids=["no domain", "null MX", "loop", "no address"],
)
async def test_what_stands_in_the_way(
    make: Make, dns: DnsServer, build: Callable[[Zone], None], disposition: Disposition, status: str
) -> None:
    build(dns.zone)

    obstacle = await make().plan("d.test", "mx")

    assert isinstance(obstacle, Obstacle)
    assert (obstacle.verdict.disposition, obstacle.verdict.scope, obstacle.reply.enhanced) == (
        disposition,
        "destination",
        status,
    )


async def test_a_route_that_is_gone_is_a_deferral(make: Make) -> None:
    obstacle = await make().plan("d.test", "smarthost gone:25 off")

    assert isinstance(obstacle, Obstacle)
    assert (obstacle.verdict.disposition, obstacle.reply.enhanced) == (Disposition.DEFERRED, "4.3.5")


def test_a_route_key_has_no_secrets_and_tells_routes_apart() -> None:
    password = settings.Secret("hunter2")
    keys = [
        route_key(smarthost(port, tls, username=user, password=password))
        for port, tls, user in ((25, "off", ""), (25, "verified", ""), (26, "off", ""), (25, "off", "me"))
    ]

    assert len(set(keys)) == 4
    assert not any("hunter2" in key for key in keys)


async def test_rules_that_changed_read_otherwise(make: Make) -> None:
    courier = make(Route(match="a.test", to="discard"))
    before = courier.rules
    courier.configure(config(), read_rules((Route(match="b.test", to="discard"),), 25))

    assert courier.rules != before
    assert courier.route_of(SENDER, "a.test", 0) == "mx"


# ---------------------------------------------------------------------- deliveries


async def test_signature_and_prefix_go_before_the_content(make: Make) -> None:
    async with RemoteServer() as remote:
        courier = make()
        delivery = await deliver(
            courier,
            plan_to(remote),
            claim_for("a@d.test", prefix=b"Received: x\r\n", content=b"\r\nbody\r\n"),
            b"DKIM-Signature: y\r\n",
        )

        assert remote.mailbox[0].content == b"DKIM-Signature: y\r\nReceived: x\r\n\r\nbody\r\n"
        await courier.close()
    assert summary(delivery) == DELIVERED
    assert delivery.proved
    assert "< 220" in dialogue(delivery)


async def test_a_long_content_is_read_as_it_is_sent(make: Make) -> None:
    chunks = [b"Subject: x\r\n\r\n", b"a" * 900 + b"\r\n", b".\r\n"]
    async with RemoteServer() as remote:
        courier = make(contents={1: chunks})
        await deliver(courier, plan_to(remote), claim_for("a@d.test", content=None, size=sum(map(len, chunks))))

        assert remote.mailbox[0].content == b"".join(chunks)
        await courier.close()


async def test_a_connection_is_kept_for_the_next_message(make: Make) -> None:
    async with RemoteServer() as remote:
        courier = make()
        deliveries = [await deliver(courier, plan_to(remote)) for _ in range(3)]

        assert [len(remote.connections), len(remote.mailbox)] == [1, 3]
        await courier.close()
    assert {delivery.preamble[0] for delivery in deliveries if delivery.preamble} == {1}
    assert [bool(delivery.preamble and delivery.preamble[1]) for delivery in deliveries] == [True, False, False], (
        "told once"
    )
    assert len({delivery.dialogue[0] for delivery in deliveries if delivery.dialogue}) == 3


async def test_with_transcripts_of_failures_only_the_beginning_is_told_each_time(make: Make) -> None:
    async with RemoteServer() as remote:
        courier = make(delivery=settings.Delivery(transcripts="failures"))
        deliveries = [await deliver(courier, plan_to(remote)) for _ in range(2)]
        await courier.close()

    assert all(delivery.preamble and delivery.preamble[1] for delivery in deliveries)


async def test_a_kept_connection_that_died_unnoticed_costs_no_attempt(make: Make) -> None:
    async with RemoteServer() as remote:
        courier = make()
        await deliver(courier, plan_to(remote))
        remote.personality = Personality(
            hooks={Stage.MAIL: lambda at: Act(then=Then.CLOSE) if at.connection == 1 else None}
        )
        delivery = await deliver(courier, plan_to(remote))

        assert len(remote.connections) == 2
        await courier.close()
    assert summary(delivery) == DELIVERED


@pytest.mark.parametrize("behind", [b"", b"503 sender not yet given\r\n503 valid RCPT command must precede DATA\r\n"])
async def test_a_kept_connection_on_which_the_host_wants_no_more_costs_no_attempt(make: Make, behind: bytes) -> None:
    """Exim's smtp_accept_max_per_connection: 421 to MAIL, and the rest of the pipeline is answered before it hangs up."""
    enough = Act(b"421 too many messages in this connection\r\n" + behind, Then.CLOSE)
    courier = make()
    async with RemoteServer(Personality(hooks={Stage.MAIL: lambda at: enough if at.message > 1 else None})) as remote:
        assert [summary(await deliver(courier, plan_to(remote))) for _ in range(3)] == [DELIVERED] * 3
    assert [received.connection for received in remote.mailbox] == [1, 2, 3]


@pytest.mark.parametrize("behind", [b"", b"503 sender not yet given\r\n503 valid RCPT command must precede DATA\r\n"])
async def test_a_421_to_the_first_mail_of_a_connection_is_a_deferral_and_proves_nothing(
    make: Make, behind: bytes
) -> None:
    full = Act(b"421 too busy\r\n" + behind, Then.CLOSE)
    async with RemoteServer(Personality(hooks={Stage.MAIL: full})) as remote:
        delivery = await deliver(make(), plan_to(remote))
    assert summary(delivery) == [(1, "deferred", "mail", 421)]
    assert not delivery.proved
    assert len(remote.connections) == 1


async def test_the_limit_of_a_connection(make: Make) -> None:
    async with RemoteServer() as remote:
        courier = make(delivery=settings.Delivery(per_connection=2))
        for _ in range(5):
            await deliver(courier, plan_to(remote))

        assert [connection.messages for connection in remote.connections] == [2, 2, 1]
        await courier.close()


async def pair(stack: list[RemoteServer], *personalities: Personality) -> list[RemoteServer]:
    """Remotes at 127.0.0.2, .3, ... on one port."""
    first = reserve("127.0.0.2")
    port = first.getsockname()[1]
    sockets = [first, *(reserve(f"127.0.0.{n}", port) for n in range(3, 2 + len(personalities)))]
    remotes = [
        RemoteServer(personality, reserved=sock) for personality, sock in zip(personalities, sockets, strict=True)
    ]
    for remote in remotes:
        await remote.up()
    stack += remotes
    return remotes


@pytest.fixture
async def remotes() -> AsyncIterator[list[RemoteServer]]:
    stack: list[RemoteServer] = []
    yield stack
    for remote in stack:
        await remote.close()


@pytest.mark.parametrize(
    "first",
    [REFUSING, Personality(hooks={Stage.HELO: Act("421 4.3.2 bye", Then.CLOSE)}), None],
    ids=["5yz greeting", "421 EHLO", "refused"],
)
async def test_the_next_host_is_asked(make: Make, remotes: list[RemoteServer], first: Personality | None) -> None:
    bad, good = await pair(remotes, first or FINE, FINE)
    if first is None:
        await bad.down()
    courier = make()
    delivery = await deliver(courier, plan_to(bad, good))
    await courier.close()

    assert summary(delivery) == DELIVERED
    assert delivery.attempts[0].host == "mx1.test"
    assert "mx0.test" in dialogue(delivery) or "127.0.0.2" in dialogue(delivery), "what the first one said is kept"


async def test_a_refusal_of_the_message_is_not_taken_to_the_next_host(make: Make, remotes: list[RemoteServer]) -> None:
    first, second = await pair(remotes, Personality(hooks={Stage.MAIL: Act("451 4.7.1 greylisted")}), FINE)
    courier = make()
    delivery = await deliver(courier, plan_to(first, second))
    await courier.close()

    assert summary(delivery) == [(1, "deferred", "mail", 451)]
    assert not second.connections


async def test_no_host_is_a_deferral_of_the_site_for_everybody(make: Make, remotes: list[RemoteServer]) -> None:
    both = await pair(remotes, REFUSING, REFUSING)
    courier = make()
    delivery = await deliver(courier, plan_to(*both), claim_for("a@d.test", "b@d.test"))

    assert summary(delivery) == [(1, "deferred", "greeting", 554), (2, "deferred", "greeting", 554)]
    assert {attempt.verdict.scope for attempt in delivery.attempts} == {"site"}
    assert not delivery.proved
    assert dialogue(delivery).count("< 554") == 2


async def test_not_more_hosts_than_make_sense(make: Make, remotes: list[RemoteServer]) -> None:
    many = await pair(remotes, *[REFUSING] * (HOSTS_TRIED + 2))
    await deliver(make(), plan_to(*many))

    assert [len(remote.connections) for remote in many] == [1] * HOSTS_TRIED + [0, 0]


async def test_a_host_that_may_have_the_message_is_asked_first(make: Make, remotes: list[RemoteServer]) -> None:
    both = await pair(remotes, FINE, FINE)
    courier = make()
    await deliver(courier, plan_to(*both))
    delivery = await deliver(courier, plan_to(*both), claim_for("a@d.test", prefer="mx1.test"))
    await courier.close()

    assert delivery.attempts[0].host == "mx1.test"
    assert [len(remote.mailbox) for remote in both] == [1, 1]


async def test_discarding_says_so(make: Make) -> None:
    courier = make(Route(match="*", to="discard"))
    plan = await courier.plan("d.test", courier.route_of(SENDER, "d.test", 0))
    assert isinstance(plan, Plan)
    delivery = await deliver(courier, plan, claim_for("a@d.test", "b@d.test"))

    assert summary(delivery) == [(1, "delivered", "final-dot", 250), (2, "delivered", "final-dot", 250)]
    assert "discarded by the route * → discard" in delivery.attempts[0].reply.text
    assert (delivery.proved, delivery.dialogue) == (True, None)


# ---------------------------------------------------------------------- TLS and AUTH


async def test_tls_is_used_where_it_is_offered_and_written_down(make: Make) -> None:
    async with RemoteServer(with_tls(Tls.SELF_SIGNED)) as remote:
        courier = make()
        delivery = await deliver(courier, plan_to(remote))
        assert remote.mailbox[0].tls
        await courier.close()

    assert delivery.attempts[0].tls.endswith("unverified")


async def test_a_broken_handshake_falls_back_once_at_the_next_attempt(make: Make) -> None:
    async with RemoteServer(with_tls(Tls.BROKEN)) as remote:
        courier = make()
        found = [summary(await deliver(courier, plan_to(remote)))[0][1:3]]
        found.append(summary(await deliver(courier, plan_to(remote)))[0][1:3])
        await courier.close()
        found.append(summary(await deliver(courier, plan_to(remote)))[0][1:3])
        await until(lambda: remote.records.open == 0)

    assert found == [("deferred", "starttls"), ("delivered", "final-dot"), ("deferred", "starttls")]


@pytest.mark.parametrize("tls", ["required", "verified"])
@pytest.mark.parametrize("kind", [Tls.OFF, Tls.BROKEN])
async def test_a_route_that_must_have_tls_never_goes_without(make: Make, tls: str, kind: Tls) -> None:
    async with RemoteServer(with_tls(kind)) as remote:
        courier = make()
        for _ in range(3):
            assert summary(await deliver(courier, plan_to(remote, tls=tls)))[0][1:3] == ("deferred", "starttls")

        assert not remote.mailbox
        await until(lambda: remote.records.open == 0)


async def test_credentials_go_under_tls_only(make: Make) -> None:
    secret = settings.Secret("s3cret")
    async with RemoteServer(with_auth("me", "s3cret", tls=Tls.OFF)) as remote:
        delivery = await deliver(make(), plan_to(remote, username="me", password=secret))
        assert not any(connection.login_in_clear for connection in remote.connections)
        assert summary(delivery)[0][1:3] == ("deferred", "starttls")

    async with RemoteServer(with_auth("me", "s3cret", tls=Tls.SELF_SIGNED)) as remote:
        courier = make()
        delivery = await deliver(courier, plan_to(remote, tls="required", username="me", password=secret))
        assert [connection.login for connection in remote.connections] == ["me"]
        await courier.close()
    assert summary(delivery) == DELIVERED
    assert "s3cret" not in dialogue(delivery)


async def test_a_refused_login_says_nothing_about_the_recipient(make: Make) -> None:
    async with RemoteServer(with_auth("me", "other", tls=Tls.SELF_SIGNED)) as remote:
        delivery = await deliver(
            make(), plan_to(remote, tls="required", username="me", password=settings.Secret("wrong"))
        )
        await until(lambda: remote.records.open == 0)

    assert summary(delivery) == [(1, "deferred", "auth", 535)]
    assert delivery.attempts[0].verdict.scope == "site"


async def test_new_settings_serve_from_the_next_claim_on(make: Make) -> None:
    async with RemoteServer() as remote:
        courier = make()
        base: Config = config()
        courier.configure(
            config(relay=settings.Relay(hostname="renamed.test"), timeouts=base.timeouts), read_rules((), 25)
        )
        await deliver(courier, plan_to(remote))
        assert remote.connections[0].helo == "renamed.test"
        await courier.close()
