"""Which currencies there are."""

from functools import cache

from babel.numbers import list_currencies


@cache
def _known() -> frozenset[str]:
    return frozenset(list_currencies())


def is_currency(code: str) -> bool:
    """Whether this is an ISO 4217 code, in capitals."""
    return code in _known()
