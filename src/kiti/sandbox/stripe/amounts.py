"""Stripe's amounts: whole numbers of its own minor unit, which is not ISO 4217's everywhere.

Source: docs.stripe.com/currencies (zero-decimal, three-decimal and special cases).
"""

from decimal import ROUND_HALF_UP, Decimal
from typing import Final

_ZERO_DECIMAL: Final = frozenset(
    {"BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF",
     "XOF", "XPF"}
)  # fmt: skip
_THREE_DECIMAL: Final = frozenset({"BHD", "JOD", "KWD", "OMR", "TND"})
# Written with two decimals, which must be 00.
_WHOLE_ONLY: Final = frozenset({"ISK", "UGX"})


def decimals(currency: str) -> int:
    """How many digits of an amount stand behind the point. `currency` in either case."""
    known = currency.upper()
    if known in _ZERO_DECIMAL:
        return 0
    return 3 if known in _THREE_DECIMAL else 2


def step(currency: str) -> int:
    """Amounts are multiples of this: 100 for UGX, 10 for three decimals, else 1."""
    known = currency.upper()
    if known in _WHOLE_ONLY:
        return 100
    return 10 if known in _THREE_DECIMAL else 1


def from_major(major: Decimal, currency: str) -> int:
    """The amount on the wire, rounded half up."""
    exact = major.scaleb(decimals(currency))
    return int(exact.to_integral_value(rounding=ROUND_HALF_UP))


def to_text(amount: int, currency: str) -> str:
    """As a person reads it: `7,500.00 NGN`."""
    places = decimals(currency)
    return f"{Decimal(amount).scaleb(-places):,.{places}f} {currency.upper()}"
