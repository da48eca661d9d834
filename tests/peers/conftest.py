"""Fixtures of the peer tests: our relay between software that is not ours."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.kit import postfix
from tests.kit.background import Background
from tests.kit.postfix import Postfix

from mailtui.lab.remote import RemoteServer


@pytest.fixture
def background() -> Iterator[Background]:
    """A loop for the lab's servers."""
    with Background() as loop:
        yield loop


@pytest.fixture
def remote(background: Background) -> RemoteServer:
    """A mail server of the lab that takes everything."""
    return background.enter(RemoteServer())


@pytest.fixture
def last_hop() -> Iterator[Postfix]:
    """A Postfix that files everything it is given."""
    if reason := postfix.missing():
        pytest.skip(reason)
    with Postfix() as last:
        yield last
