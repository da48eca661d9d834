"""Run as a program inside its own network and mount namespace: answers TXT queries on 127.0.0.1:53 from a JSON file
while `opendkim-testmsg` verifies the message on standard input, and ends with its exit code."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import dns.rrset


def answer(query: bytes, zone: dict[str, str]) -> bytes:
    question = dns.message.from_wire(query)
    reply = dns.message.make_response(question)
    reply.flags |= dns.flags.AA | dns.flags.RA
    name = question.question[0].name
    text = zone.get(name.to_text().lower())
    if text is None:
        reply.set_rcode(dns.rcode.NXDOMAIN)
    else:
        strings = " ".join(f'"{text[start : start + 255]}"' for start in range(0, len(text), 255))
        reply.answer.append(dns.rrset.from_text(name, 60, "IN", "TXT", strings))
    return reply.to_wire()


def serve(server: socket.socket, zone: dict[str, str]) -> None:
    while True:
        query, peer = server.recvfrom(4096)
        server.sendto(answer(query, zone), peer)


def main() -> int:
    zone = json.loads(Path(sys.argv[1]).read_text())
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))
    threading.Thread(target=serve, args=(server, zone), daemon=True).start()
    return subprocess.run(["opendkim-testmsg"], timeout=30).returncode


if __name__ == "__main__":
    sys.exit(main())
