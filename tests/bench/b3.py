"""B3: the load of B1 with DKIM signatures (rsa-2048), beside B1 itself in the same run.

Two relays of ours, one with a key and one without, take turns. That every message was signed is read from the queue afterwards.
"""

from __future__ import annotations

import sqlite3
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.bench import table, versus
from tests.bench.load import Load, Sink
from tests.kit.relay import Relay


def main() -> None:
    """Measure and print."""
    options = table.arguments(__doc__ or "").parse_args()
    load = Load(table.scaled(3000, options.scale, 20))
    with ExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory()))
        sink = stack.enter_context(Sink())
        plain = versus.settings(f"127.0.0.1:{sink.port}")
        key = {"domain": "src.test", "selector": "bench", "key_file": write_key(directory / "bench.pem")}
        signing = stack.enter_context(Relay({**plain, "dkim": [key]}))
        relays = [versus.ours(stack.enter_context(Relay(plain)), "plain"), versus.ours(signing, "signing")]
        for relay in relays:
            versus.measure(relay, load._replace(messages=max(40, load.messages // 10)), sink)
        rates: dict[str, list[versus.Rate]] = {relay.name: [] for relay in relays}
        for number in range(options.rounds):
            for relay in relays if number % 2 == 0 else reversed(relays):
                rates[relay.name].append(versus.measure(relay, load, sink))
                table.progress(f"round {number + 1}, {relay.name}: {rates[relay.name][-1].whole:.0f}/s")
        signed = count_signed(signing.data)
    middle = {name: table.median([rate.whole for rate in found]) for name, found in rates.items()}
    heads = [
        "",
        *(f"round {number}" for number in range(1, options.rounds + 1)),
        "median",
        "CPU ms/message",
        "share of B1",
        "to reach",
    ]
    rows = [
        [
            name,
            *(rate.whole for rate in found),
            middle[name],
            table.median([rate.cpu for rate in found]),
            f"{100 * middle[name] / middle['plain']:.0f} %" if name == "signing" else "",
            "≥ 60 %" if name == "signing" else "",
        ]
        for name, found in rates.items()
    ]
    notes = [
        f"Signed messages in the queue of the signing relay: {signed} (sent to it: {load.messages * options.rounds} and the warm-up)."
    ]
    table.show(
        f"B3: {load.messages} × 4 KiB, 20 sessions, DKIM rsa-2048, messages a second end to end", heads, rows, notes
    )


def write_key(path: Path) -> Path:
    """A fresh rsa-2048 key in PEM, readable by its owner alone."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    encoded = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.touch(0o600)
    path.write_bytes(encoded)
    return path


def count_signed(data: Path) -> int:
    """How many messages of a queue have a signature."""
    (file,) = data.glob("*.sqlite3")
    queue = sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)
    try:
        return int(queue.execute("SELECT count(*) FROM message WHERE length(signature) > 0").fetchone()[0])
    finally:
        queue.close()


if __name__ == "__main__":
    main()
