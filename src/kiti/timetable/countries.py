"""Which countries there are, by ISO 3166 code and by name."""

from functools import cache
from typing import Final

from babel import Locale

from kiti.network.model_places import fold

# Two letters that CLDR has too, but ISO 3166-1 gives to no country.
_NO_COUNTRY: Final = frozenset({
    "AC", "CP", "CQ", "DG", "EA", "EU", "EZ", "IC", "QO", "TA", "UN", "XA", "XB", "ZZ",
})  # fmt: skip


@cache
def _by_name() -> dict[str, str]:
    """The codes by their English and French names, folded."""
    return {
        fold(name): code
        for language in ("fr", "en")
        for code, name in Locale(language).territories.items()
        if len(code) == 2 and code.isalpha() and code not in _NO_COUNTRY
    }


def is_country(code: str) -> bool:
    """Whether this is an ISO 3166 code of two capitals."""
    return code in _by_name().values()


def find_country(text: str) -> str | None:
    """The code of `NG`, `ng`, `Nigeria` or `Kenya`; None when there is no such country."""
    return text.upper() if is_country(text.upper()) else _by_name().get(fold(text))
