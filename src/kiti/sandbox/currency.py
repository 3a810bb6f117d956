"""Amounts on the gateways' wires: decimal major units, and how fine each currency is."""

from decimal import ROUND_HALF_UP, Decimal

# ISO 4217 exponents that are not 2.
_EXPONENTS = {
    "BIF": 0, "CLP": 0, "DJF": 0, "GNF": 0, "ISK": 0, "JPY": 0, "KMF": 0, "KRW": 0, "PYG": 0,
    "RWF": 0, "UGX": 0, "VND": 0, "VUV": 0, "XAF": 0, "XOF": 0, "XPF": 0,
    "BHD": 3, "IQD": 3, "JOD": 3, "KWD": 3, "LYD": 3, "OMR": 3, "TND": 3,
}  # fmt: skip


def exponent(currency: str) -> int:
    """How many decimals an amount of this currency can have; 2 when not listed otherwise."""
    return _EXPONENTS.get(currency, 2)


def minor_unit(currency: str) -> Decimal:
    """The smallest amount of this currency, in major units: 0.01 for NGN, 1 for UGX."""
    return Decimal(1).scaleb(-exponent(currency))


def rounded(amount: Decimal, currency: str) -> Decimal:
    """The nearest whole number of minor units, half up."""
    return amount.quantize(minor_unit(currency), rounding=ROUND_HALF_UP)
