"""What pages say, in the reader's language: texts, amounts, dates and times."""

import gettext as gettext_module
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Final, Self

from babel import Locale
from babel.dates import format_date, format_time
from babel.numbers import NumberPattern, format_currency, parse_pattern

from kiti.platform.money import Money, exponent

# The code before the amount: in a marketplace of many currencies a sign would be anybody's.
_AMOUNT: Final = "¤¤\N{NO-BREAK SPACE}#,##0.00;¤¤\N{NO-BREAK SPACE}-#,##0.00"
_DAY: Final = "EEE d MMM y"
_SHORT_DAY: Final = "EEE d MMM"
_TIME: Final = "HH:mm"


@dataclass(frozen=True, slots=True)
class Words:
    """One language of the pages. `locale` formats, `translations` translates."""

    locale: Locale
    translations: gettext_module.NullTranslations

    @classmethod
    def english(cls) -> Self:
        """English, as the texts are written, with the day before the month."""
        return cls(Locale("en", "GB"), gettext_module.NullTranslations())

    @property
    def language(self) -> str:
        """The language as HTML names it."""
        return self.locale.language

    def gettext(self, message: str) -> str:
        """The text in this language."""
        return self.translations.gettext(message)

    def ngettext(self, singular: str, plural: str, n: int) -> str:
        """The text for `n` things in this language."""
        return self.translations.ngettext(singular, plural, n)

    def money(self, money: Money) -> str:
        """`NGN 1,850.00`, with as many decimals as the currency has."""
        return format_currency(
            money.to_major(),
            money.currency,
            format=_pattern(exponent(money.currency)),
            locale=self.locale,
            currency_digits=False,
        )

    def day(self, on: date) -> str:
        """`Mon 3 Jun 2030`."""
        return format_date(on, _DAY, locale=self.locale)

    def short_day(self, on: date) -> str:
        """`Mon 3 Jun`."""
        return format_date(on, _SHORT_DAY, locale=self.locale)

    def time(self, at: datetime) -> str:
        """`07:30` on the clock that `at` is given by."""
        return format_time(at.time(), _TIME, locale=self.locale)

    def duration(self, minutes: int) -> str:
        """`1 h 40 min`."""
        hours, rest = divmod(minutes, 60)
        if not hours:
            return self.gettext("%(minutes)d min") % {"minutes": rest}
        return self.gettext("%(hours)d h %(minutes)d min") % {"hours": hours, "minutes": rest}

    def seat_class(self, name: str) -> str:
        """A class as people read it: `STANDARD` is Standard, `VIP` stays."""
        return self.gettext(name if len(name) <= 3 else name.replace("_", " ").capitalize())

    def sentence(self, text: str) -> str:
        """A service's short message as a sentence of a page."""
        text = self.gettext(text)
        ending = "" if text.endswith((".", "?", "!")) else "."
        return text[:1].upper() + text[1:] + ending


@lru_cache(maxsize=8)
def _pattern(decimals: int) -> NumberPattern:
    pattern = parse_pattern(_AMOUNT)
    pattern.frac_prec = (decimals, decimals)
    return pattern
