"""Which of the configured routes a person means by a word: mx, a host with or without its port, or the whole key.

Owned here: that look-up, and the error that names the routes there are. A route must be configured, because its rule says how it is
secured and who logs in. Mail is not sent into nothing this way: `purge` does that, and can be undone.
"""

from __future__ import annotations

from collections.abc import Mapping

from mailtui.config import Rejected, parse_next_hop
from mailtui.delivery.route import Route
from mailtui.errors import EX_DATAERR, MailtuiError


class UnknownRoute(MailtuiError):
    """No route, or more than one, is called that; nothing was done."""

    exit_code = EX_DATAERR


def named(routes: Mapping[str, Route], text: str) -> str:
    """The key of the route that `text` means, out of routes by their keys. UnknownRoute."""
    usable = {key: route for key, route in routes.items() if route.kind != "discard"}
    if text in usable:
        return text
    known = ", ".join(dict.fromkeys(_short(key, route) for key, route in usable.items()))
    if not text:
        raise UnknownRoute(f"reroute to where? Give --to ROUTE; there are: {known}")
    found = [key for key, route in usable.items() if _means(route, text)]
    if len(found) == 1:
        return found[0]
    if found:
        raise UnknownRoute(f'"{text[:100]}" may be any of: {", ".join(found)}; write one of these whole')
    if text == "discard" or text in routes:
        raise UnknownRoute("mail is not rerouted into nothing: `mailtui purge` removes it, and can be undone")
    raise UnknownRoute(f'no route "{text[:100]}" is configured; there are: {known}')


def _means(route: Route, text: str) -> bool:
    try:
        hop = parse_next_hop(text)
    except Rejected:
        return False
    return (route.kind, route.host) == (hop.kind, hop.host) and hop.port in (0, route.port)


def _short(key: str, route: Route) -> str:
    """A route as a person may write it."""
    if route.kind == "mx":
        return key
    return f"[{route.host}]:{route.port}" if ":" in route.host else f"{route.host}:{route.port}"
