"""Money: an integer in minor units beside its ISO 4217 currency. Never a float."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from kiti.platform.errors import Invalid

# ISO 4217 exponents that are not 2, for the currencies of the markets served.
EXPONENTS = {
    "BIF": 0, "CLP": 0, "DJF": 0, "GNF": 0, "ISK": 0, "JPY": 0, "KMF": 0, "KRW": 0, "PYG": 0,
    "RWF": 0, "UGX": 0, "VND": 0, "VUV": 0, "XAF": 0, "XOF": 0, "XPF": 0,
    "BHD": 3, "IQD": 3, "JOD": 3, "KWD": 3, "LYD": 3, "OMR": 3, "TND": 3,
}  # fmt: skip


class CurrencyMismatch(Invalid):
    """The amount is in another currency than what it is for."""


def exponent(currency: str) -> int:
    """How many decimal places the currency's major unit has; 2 when not listed otherwise."""
    return EXPONENTS.get(currency, 2)


@dataclass(frozen=True, slots=True, order=False)
class Money:
    """`amount_minor` minor units (kobo, pesewas, whole shillings for UGX) of `currency`."""

    amount_minor: int
    currency: str

    def __add__(self, other: "Money") -> "Money":
        self._same(other)
        return Money(self.amount_minor + other.amount_minor, self.currency)

    def __sub__(self, other: "Money") -> "Money":
        self._same(other)
        return Money(self.amount_minor - other.amount_minor, self.currency)

    def _same(self, other: "Money") -> None:
        if self.currency != other.currency:
            raise CurrencyMismatch(expected=self.currency, got=other.currency)

    def to_major(self) -> Decimal:
        """The amount in major units, exact: 50000 NGN minor is Decimal('500.00')."""
        return Decimal(self.amount_minor).scaleb(-exponent(self.currency))


def total(parts: Iterable[Money], *, currency: str) -> Money:
    """The sum of parts that are all of `currency`; zero of it when there are none."""
    out = Money(0, currency)
    for part in parts:
        out = out + part
    return out
