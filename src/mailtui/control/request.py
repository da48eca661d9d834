"""What a request is: a typed value that knows its name, its answer's type, whether it changes something, and what it can cost.

Owned here: that shape. Which requests there are stands in `api`. No I/O.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar, Final, Generic, TypeVar, cast, get_args

import msgspec

R = TypeVar("R")

#: Why somebody changes something; it is kept in the audit.
Reason = Annotated[str, msgspec.Meta(description="why, for those who come after", max_length=500)]


#: The highest number the queue file can hold, and so the highest of a row.
HIGHEST: Final = (1 << 63) - 1


class Risk(StrEnum):
    """What a request can cost: nothing, something its counterpart brings back, or something gone for good."""

    NONE = "none"
    REVERSIBLE = "reversible"
    FINAL = "final"


class Request(msgspec.Struct, Generic[R], frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A question or an order whose answer is one `R`. `patience`: seconds after which a client stops waiting."""

    name: ClassVar[str]
    changes: ClassVar[bool] = False
    risk: ClassVar[Risk] = Risk.NONE
    patience: ClassVar[float] = 60.0

    @classmethod
    def result_type(cls) -> type[R]:
        """The type of the answer, for decoding it."""
        bases = cast("tuple[object, ...]", vars(cls).get("__orig_bases__") or cls.__mro__[1].__dict__["__orig_bases__"])
        return cast("type[R]", get_args(bases[0])[0])

    @property
    def answer_type(self) -> type[R]:
        """The type of the answer to this very request, where there are several."""
        return self.result_type()
