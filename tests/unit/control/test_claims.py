"""Who a client says is behind it, and how that is written beside what the kernel says."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mailtui.control.claims import LONGEST, account, described, own


def test_what_a_client_claims() -> None:
    assert own({}) == ""
    assert own({"SSH_CONNECTION": "192.0.2.7 50022 10.0.0.1 22"}) == "ssh from 192.0.2.7"
    everything = {"MAILTUI_OPERATOR": "anna", "SUDO_USER": "bert", "SSH_CONNECTION": "2001:db8::1 1 :: 22"}
    assert own(everything) == "anna, sudo by bert, ssh from 2001:db8::1"


def test_it_stands_behind_the_name_the_kernel_vouches_for() -> None:
    assert described("root", "") == "root"
    assert described("root", "anna") == "root (claims anna)"
    assert described("bert", "x) root (claims y") == "bert (claims x] root [claims y)"
    assert account("root (claims anna)") == account("root") == "root"


@given(st.text(max_size=300))
def test_it_is_bounded_and_harmless(text: str) -> None:
    actor = described("root", text)
    assert account(actor) == "root" and len(actor) <= LONGEST + len("root (claims )")
    assert actor.isascii() and actor.isprintable()
    claim = own({"MAILTUI_OPERATOR": text})
    assert claim.isascii() and (not claim or claim.isprintable()) and len(claim) <= LONGEST
    assert described("root", claim) == (f"root (claims {claim})" if claim else "root")
