"""What happened in a range of time, folded into the cells of a sparkline; pure.

Owned here: the folding. A cell is a stretch of the range, whatever steps the values come in; where nothing is known there is a zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from mailtui.findings import MomentRow


def folded(
    values: Sequence[tuple[datetime, float]], end: datetime, seconds: int, cells: int, highest: bool = False
) -> list[float]:
    """The sums, or the `highest`, of what lies in each of the `cells` equal parts of the range that ends at `end`. A value is of the
    step that begins at its moment: what began a whole range ago is still in it."""
    parts = [0.0] * max(cells, 1)
    for at, value in values:
        index = len(parts) - 1 - int(max((end - at).total_seconds() - 1, 0.0) * len(parts) / max(seconds, 1))
        if index >= 0:
            parts[index] = max(parts[index], value) if highest else parts[index] + value
    return parts


def waiting(row: MomentRow) -> int:
    """Recipients that waited at the end of a step."""
    return row.queued + row.sending + row.deferred + row.held


def cells_for(seconds: int, most: int, step: int = 60) -> int:
    """How many cells a range has room for, at most `most`, so that each has as many steps as the others."""
    steps = max(seconds // step, 1)
    return next((cells for cells in range(max(min(most, steps), 1), 0, -1) if steps % cells == 0), 1)
