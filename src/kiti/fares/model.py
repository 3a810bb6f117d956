"""Words of pricing, and the pure rules: which fare applies and how it is rounded."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import Final, NewType
from uuid import UUID

from kiti.platform.errors import Invalid
from kiti.platform.money import Money

FareTableId = NewType("FareTableId", UUID)

STANDARD: Final = "STANDARD"
PER_MILLE: Final = 1000
PER_MILLE_MAX: Final = 100_000
FARES_MAX: Final = 50_000
# Ten thousand million of a currency with cents: what is above is a mistake of the source.
AMOUNT_MINOR_MAX: Final = 10**12
_CURRENCY: Final = re.compile(r"[A-Z]{3}")


class PassengerType(StrEnum):
    """Who rides, as far as the fare goes."""

    ADULT = "ADULT"
    CHILD = "CHILD"
    INFANT = "INFANT"
    STUDENT = "STUDENT"
    SENIOR = "SENIOR"


class FareMissing(Invalid):
    """There is no fare for this segment, class and passenger type, so it is not for sale."""


class FareTableInvalid(Invalid):
    """The fare table cannot be: an amount or a share is out of range, or there are too many."""


@dataclass(frozen=True, slots=True)
class FareKey:
    """What one fare pays for: a class of seat between two stops, for a `PassengerType`."""

    from_stop_id: UUID
    to_stop_id: UUID
    seat_class: str
    passenger_type: str = PassengerType.ADULT


@dataclass(frozen=True, slots=True)
class NewFareTable:
    """A fare table to write: amounts in minor units of `currency`.

    `per_km_minor` and `minimum_minor` are both None, or price what `fares` does not. Shares are
    thousandths of the adult standard fare; a class or type without one pays 1000.
    """

    name: str
    currency: str
    fares: Mapping[FareKey, int] = field(default_factory=dict[FareKey, int])
    per_km_minor: int | None = None
    minimum_minor: int | None = None
    class_shares: Mapping[str, int] = field(default_factory=dict[str, int])
    type_shares: Mapping[str, int] = field(default_factory=dict[str, int])


@dataclass(frozen=True, slots=True)
class FareTable:
    """A fare table that was written; it never changes."""

    fare_table_id: UUID
    currency: str
    fares: Mapping[FareKey, int]
    per_km_minor: int | None
    minimum_minor: int | None
    class_shares: Mapping[str, int]
    type_shares: Mapping[str, int]

    def fare(
        self,
        from_stop_id: UUID,
        to_stop_id: UUID,
        seat_class: str,
        passenger_type: str,
        *,
        km: float | None,
    ) -> Money | None:
        """What one passenger of a `PassengerType` pays; None when the table has no fare for it.

        The first of these that there is: the fare itself; the adult fare of this class by the
        type's share; the adult standard fare by the shares of class and type; the fare of `km`
        kilometres (None: not known), rounded half up and at least the minimum, by both shares. What
        shares leave of it is rounded half up to a whole minor unit, once.
        """
        of_class = self.class_shares.get(seat_class, PER_MILLE)
        of_type = self.type_shares.get(passenger_type, PER_MILLE)
        exact = self.fares.get(FareKey(from_stop_id, to_stop_id, seat_class, passenger_type))
        if exact is not None:
            return Money(exact, self.currency)
        adult = self.fares.get(FareKey(from_stop_id, to_stop_id, seat_class))
        if adult is not None:
            return Money(share(adult, of_type), self.currency)
        base = self.fares.get(FareKey(from_stop_id, to_stop_id, STANDARD))
        if base is None:
            base = self._fare_of_km(km)
        if base is None:
            return None
        return Money(share(base, of_class, of_type), self.currency)

    def _fare_of_km(self, km: float | None) -> int | None:
        if km is None or self.per_km_minor is None or self.minimum_minor is None:
            return None
        amount = (Decimal(km) * self.per_km_minor).to_integral_value(ROUND_HALF_UP)
        return max(int(amount), self.minimum_minor)


def share(amount_minor: int, *per_mille: int) -> int:
    """An amount (0 or more) by each of these thousandths, rounded half up once, at the end."""
    divisor = 1
    for part in per_mille:
        amount_minor *= part
        divisor *= PER_MILLE
    return (2 * amount_minor + divisor) // (2 * divisor)


def check_table(table: NewFareTable) -> None:
    """Refuse a table that prices nothing rightly.

    Raises:
        FareTableInvalid: no currency, an amount below 0 or over 10^12, a share outside 0 to 100000,
            a passenger type there is not, more than 50000 fares, or a price a kilometre without a
            minimum.
    """
    if not _CURRENCY.fullmatch(table.currency):
        raise FareTableInvalid(f"{table.currency[:20]!r} is no currency")
    if len(table.fares) > FARES_MAX:
        raise FareTableInvalid(f"{len(table.fares):,} fares; {FARES_MAX:,} at most")
    if (table.per_km_minor is None) != (table.minimum_minor is None):
        raise FareTableInvalid("a price a kilometre and a minimum go together")
    amounts = [*table.fares.values(), table.per_km_minor or 0, table.minimum_minor or 0]
    if not all(0 <= amount <= AMOUNT_MINOR_MAX for amount in amounts):
        raise FareTableInvalid(f"an amount is below 0 or over {AMOUNT_MINOR_MAX:,}")
    types = {key.passenger_type for key in table.fares} | set(table.type_shares)
    if unknown := types - set(PassengerType):
        raise FareTableInvalid(f"no passenger type: {', '.join(sorted(unknown))}")
    shares = [*table.class_shares.values(), *table.type_shares.values()]
    if not all(0 <= per_mille <= PER_MILLE_MAX for per_mille in shares):
        raise FareTableInvalid(f"a share is below 0 or over {PER_MILLE_MAX:,} thousandths")
