"""Two short storms of kill -9 under load: one on mail coming in, one on mail going out."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.crash.process import PROMISED_START
from tests.crash.storm import Storm, rage

INTAKE = Storm(kills=13, uptime=(0.0, 0.5), sessions=8, size=(1_000, 200_000), dot_delay=0.0)
DELIVERY = Storm(kills=12, uptime=(0.1, 0.5), sessions=1, size=(1_000, 4_000), dot_delay=0.3, seed=2)


@pytest.mark.parametrize("storm", [INTAKE, DELIVERY], ids=["intake", "delivery"])
async def test_random_kills(storm: Storm, tmp_path: Path) -> None:
    """Nothing accepted is lost or changed, and duplicates appear only where they are announced."""
    toll = await rage(storm, tmp_path)
    assert toll.audit.clean, toll.audit
    assert toll.audit.accepted > 100
    assert toll.audit.w2 <= toll.under_way
    assert toll.slowest_start < PROMISED_START
