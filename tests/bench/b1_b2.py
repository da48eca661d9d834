"""B1 and B2: 3,000 messages of 4 KiB from 20 sessions through the relay to smtp-sink, beside Postfix in the same run.

B1 makes a connection for every message, B2 keeps its connections. All default features are on: fsync before 250, transcripts,
history, a log file. `--dns` lets our relay find the sink by MX in a name server of the lab instead of a smarthost route; Postfix
has its relayhost either way.
"""

from __future__ import annotations

from argparse import Namespace
from contextlib import ExitStack

from tests.bench import table, versus
from tests.bench.load import Load, Sink
from tests.kit.background import Background
from tests.kit.postfix import Postfix
from tests.kit.relay import Relay

from mailtui.lab.dns import DnsServer

MX_HOST = "127.0.0.11"  # an address of its own: mail for our own address would be a loop
KINDS = (("B1 new", False, 1.5), ("B2 kept", True, 2.0))


def main() -> None:
    """Measure and print."""
    parser = table.arguments(__doc__ or "")
    parser.add_argument("--dns", action="store_true", help="find the next hop by MX")
    parser.add_argument("--only", choices=("new", "kept"), help="one kind of load")
    parser.add_argument("--alone", action="store_true", help="without Postfix, for a profile")
    options = parser.parse_args()
    messages = table.scaled(3000, options.scale, 20)
    with ExitStack() as stack:
        sink = stack.enter_context(Sink(host=MX_HOST))
        settings: dict[str, object] = versus.settings(f"{sink.host}:{sink.port}")
        if options.dns:
            names = DnsServer(keep=1)
            names.zone.mx("dst.test", "mx.dst.test")
            names.zone.host("mx.dst.test", sink.host)
            stack.enter_context(Background()).enter(names)
            settings = {"dns": {"nameservers": [names.nameserver]}, "delivery": {"port": sink.port}}
        relays = [versus.ours(stack.enter_context(Relay(settings)))]
        if not options.alone:
            relays.append(versus.theirs(stack.enter_context(Postfix(next_hop=sink.port, next_hop_host=sink.host))))
        rates = _rounds(relays, sink, messages, options)
    _show(rates, relays, messages, options.rounds)


Rates = dict[tuple[str, str], list[versus.Rate]]


def _rounds(relays: list[versus.Contestant], sink: Sink, messages: int, options: Namespace) -> Rates:
    rates: Rates = {}
    for relay in relays:  # caches, pools and processes are warm before anything counts
        versus.measure(relay, Load(max(40, messages // 10)), sink)
    for number in range(options.rounds):
        for kind, kept, _ in KINDS:
            if options.only and options.only not in kind:
                continue
            for relay in relays if number % 2 == 0 else reversed(relays):
                rate = versus.measure(relay, Load(messages, kept=kept), sink)
                rates.setdefault((kind, relay.name), []).append(rate)
                table.progress(
                    f"round {number + 1}, {kind}, {relay.name}: {rate.whole:.0f}/s, {rate.cpu:.2f} ms CPU a message"
                )
    return rates


def _show(rates: Rates, relays: list[versus.Contestant], messages: int, rounds: int) -> None:
    heads = ["", "relay", *(f"round {number}" for number in range(1, rounds + 1)), "median", "ratio", "to reach"]
    heads += ["intake/s", "CPU ms/message", "peak RSS MB"]
    rows = []
    for kind, _, wanted in KINDS:
        peer = rates.get((kind, "Postfix"))
        for relay in relays:
            found = rates.get((kind, relay.name))
            if not found:
                continue
            middle = table.median([rate.whole for rate in found])
            compared = peer is not None and relay.name != "Postfix"
            ratio = f"{middle / table.median([rate.whole for rate in peer]):.2f}" if compared and peer else ""
            rows.append(
                [
                    kind,
                    relay.name,
                    *(rate.whole for rate in found),
                    middle,
                    ratio,
                    f"≥ {wanted}" if compared else "",
                    *(table.median([rate[field] for rate in found]) for field in (1, 2, 3)),
                ]
            )
    show = f"{messages} × 4 KiB, 20 sessions, relay → smtp-sink, messages a second end to end"
    table.show(
        f"B1, B2: {show}",
        heads,
        rows,
        ["Peak RSS of Postfix is that of its master alone; CPU is that of all processes."],
    )


if __name__ == "__main__":
    main()
