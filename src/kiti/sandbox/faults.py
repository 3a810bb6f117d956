"""Scripted misbehaviour: which call goes wrong next, how, and how often."""

import itertools
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Call = Literal["create", "verify", "refund", "webhook"]
Kind = Literal[
    "lose_reply",
    "error_after",
    "delay",
    "duplicate",
    "reorder",
    "drop",
    "wrong_amount",
    "wrong_currency",
    "succeed_late",
    "fail_refund",
]

_ANY: Final[tuple[Kind, ...]] = (
    "lose_reply",
    "error_after",
    "delay",
    "reorder",
    "drop",
    "succeed_late",
    "wrong_amount",
)
POSSIBLE: Final[dict[Call, tuple[Kind, ...]]] = {
    "create": (*_ANY, "duplicate", "wrong_currency"),
    "verify": (*_ANY, "wrong_currency"),
    "refund": (*_ANY, "duplicate", "fail_refund"),
    "webhook": (*_ANY, "duplicate", "wrong_currency"),
}
# Seconds, where the order names none.
_DELAY_S: Final[dict[Kind, float]] = {"delay": 5, "reorder": 5, "succeed_late": 60}
_FAULTS_MAX: Final = 1000


class FaultOrder(BaseModel):
    """What a tester asks for.

    `reference` limits it to one payment (`tx_ref`); None means any. `delay_s` is the length of a
    delay, of a wait for the next call (`reorder`), or until the truth (`succeed_late`,
    `fail_refund`). `copies` is for `duplicate`. `amount` (major units) and `currency` say what is
    wrong instead of the default: one minor unit less, and USD (NGN for a payment in USD).
    `refuse` makes a refund fail at once instead of being taken and then failing.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    gateway: str
    call: Call
    fault: Kind
    times: Annotated[int, Field(ge=1, le=1000)] = 1
    reference: str | None = None
    delay_s: Annotated[float, Field(ge=0, le=86400)] | None = None
    copies: Annotated[int, Field(ge=2, le=50)] = 2
    amount: Annotated[Decimal, Field(gt=0, lt=10**12)] | None = None
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] | None = None
    refuse: bool = False

    @model_validator(mode="after")
    def _fits_the_call(self) -> Self:
        if self.fault not in POSSIBLE[self.call]:
            possible = ", ".join(sorted(POSSIBLE[self.call]))
            raise ValueError(f"{self.call} can only have: {possible}")
        return self


@dataclass(frozen=True, slots=True)
class Fault:
    """One order that now applies to one call."""

    fault_id: int
    order: FaultOrder

    @property
    def kind(self) -> Kind:
        """What goes wrong."""
        return self.order.fault

    @property
    def delay_s(self) -> float:
        """Seconds, as ordered or by default."""
        ordered = self.order.delay_s
        return _DELAY_S.get(self.kind, 0) if ordered is None else ordered

    def currency(self, right: str) -> str:
        """A currency that is not the right one."""
        return self.order.currency or ("NGN" if right == "USD" else "USD")


class FaultPlan:
    """The orders still to be carried out, oldest first. A call takes one at most."""

    def __init__(self) -> None:
        self._ids = itertools.count(1)
        self._left: dict[int, tuple[FaultOrder, int]] = {}

    def add(self, order: FaultOrder) -> int:
        """Keep this order; its id.

        Raises:
            OverflowError: too many are waiting already.
        """
        if len(self._left) >= _FAULTS_MAX:
            raise OverflowError(f"{_FAULTS_MAX} faults are waiting already")
        fault_id = next(self._ids)
        self._left[fault_id] = (order, order.times)
        return fault_id

    def take(self, gateway: str, call: Call, reference: str | None) -> Fault | None:
        """The oldest order that fits this call, used up by one; None when all is to go well."""
        for fault_id, (order, left) in self._left.items():
            if (order.gateway, order.call) != (gateway, call):
                continue
            if order.reference is not None and order.reference != reference:
                continue
            if left == 1:
                del self._left[fault_id]
            else:
                self._left[fault_id] = (order, left - 1)
            return Fault(fault_id, order)
        return None

    def waiting(self) -> list[dict[str, object]]:
        """The orders still to be carried out, with how often each."""
        return [
            {"id": fault_id, **order.model_dump(mode="json", exclude_none=True), "left": left}
            for fault_id, (order, left) in self._left.items()
        ]

    def clear(self) -> None:
        """Behave from now on."""
        self._left.clear()
