"""The stops and cities of a spreadsheet, matched to those there are. Pure."""

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Final
from uuid import UUID
from zoneinfo import available_timezones

from babel.core import get_global

from kiti.network.model_places import fold
from kiti.timetable.intake.store_places import CityRow, StopRow
from kiti.timetable.sheets.cells import Mistakes
from kiti.timetable.sheets.model import SheetLine, SheetStop

# From here on two names may be one with a slip, as difflib measures it: of 1.
ALIKE: Final = 0.8
_CODE_MAX: Final = 300


@dataclass(frozen=True, slots=True)
class City:
    """A city; `city_id` None: it is new, and `timezone` is what it will have."""

    name: str
    country: str
    timezone: str
    city_id: UUID | None


@dataclass(frozen=True, slots=True)
class Stop:
    """A stop of the feed as it will be; `code` is its identity, `is_new` if the feed lacks it."""

    code: str
    name: str
    city: City
    timezone: str
    latitude: float | None
    longitude: float | None
    landmark: str | None
    is_new: bool

    @property
    def words(self) -> str:
        """For a person."""
        return f"{self.city.name} / {self.name}"


@dataclass(frozen=True, slots=True)
class Places:
    """The stops of each line, in the order of lines and rows, and what is odd about them."""

    of_line: Sequence[tuple[Stop, ...]]
    remarks: tuple[str, ...]

    @property
    def stops(self) -> list[Stop]:
        """Each stop once."""
        return list({stop.code: stop for stops in self.of_line for stop in stops}.values())

    def only(self, codes: Container[str]) -> "Places":
        """The places without the stops that are not among these codes."""
        of_line = [tuple(stop for stop in stops if stop.code in codes) for stops in self.of_line]
        return replace(self, of_line=of_line)

    @property
    def new_cities(self) -> list[City]:
        """Each city that is new, once."""
        cities = {(stop.city.country, stop.city.name): stop.city for stop in self.stops}
        return [city for city in cities.values() if city.city_id is None]


def match_places(
    lines: Iterable[SheetLine],
    cities: Sequence[CityRow],
    stops: Sequence[StopRow],
    *,
    zone: str,
    mistakes: Mistakes,
) -> Places:
    """Find the stops by code or by name and city; what is unclear goes to `mistakes`.

    `zone` is the operator's: that of a new city in a country with several, if it is one of them.
    """
    matcher = _Matcher(cities, stops, zone, mistakes)
    of_line = [
        tuple(found for stop in line.stops if (found := matcher.stop(stop)) is not None)
        for line in lines
    ]
    return Places(of_line, tuple(matcher.remarks))


class _Matcher:
    """Keeps what the rows before have named."""

    def __init__(
        self, cities: Sequence[CityRow], stops: Sequence[StopRow], zone: str, mistakes: Mistakes
    ) -> None:
        self._zone = zone
        self._mistakes = mistakes
        self._zones = available_timezones()
        self._cities: dict[tuple[str, str], City] = {}
        for row in cities:
            city = City(row.name, row.country, row.timezone, row.city_id)
            for folded in (fold(row.name), *row.folded):
                self._cities.setdefault((row.country, folded), city)
        now = [row for row in stops if not row.is_former]
        self._on_file = {row.code for row in now}
        self._codes = {(row.city_id, fold(row.name)): row.code for row in now}
        self._stops: dict[str, Stop] = {}
        self.remarks: list[str] = []

    def stop(self, row: SheetStop) -> Stop | None:
        """The stop of a row; None when it cannot be told."""
        if row.timezone is not None and row.timezone not in self._zones:
            self._mistakes.add(row.place, f"{row.timezone[:40]!r} is no zone, as Africa/Lagos is")
            return None
        city = self._city(row)
        if city is None:
            return None
        code = row.code or self._code(row, city)
        known = self._stops.get(code)
        if known is None:
            known = self._stops[code] = Stop(
                code=code,
                name=row.name,
                city=city,
                timezone=row.timezone or city.timezone,
                latitude=row.latitude,
                longitude=row.longitude,
                landmark=row.landmark,
                is_new=code not in self._on_file,
            )
        elif (known.city, fold(known.name)) != (city, fold(row.name)):
            self._mistakes.add(row.place, f"the code {code} is that of {known.words} above")
        return known

    def _code(self, row: SheetStop, city: City) -> str:
        """The code of the feed's stop of this name; else one made of city and name."""
        made = f"{city.country.lower()}/{fold(city.name)}/{fold(row.name)}".replace(" ", "-")
        made = made[:_CODE_MAX]
        kept = None if city.city_id is None else self._codes.get((city.city_id, fold(row.name)))
        same = (
            stop.code
            for stop in self._stops.values()
            if stop.city == city and fold(stop.name) == fold(row.name)
        )
        return kept or next(same, made)

    def _city(self, row: SheetStop) -> City | None:
        key = row.country, fold(row.city)
        if key in self._cities:
            return self._cities[key]
        zone = row.timezone or self._zone_of(row.country)
        if zone is None:
            what = f"{row.city} is new, and {row.country} has several zones: add a column “zone”"
            self._mistakes.add(row.place, what)
            return None
        names = {folded: city for (country, folded), city in self._cities.items()
                 if country == row.country}  # fmt: skip
        near = get_close_matches(key[1], names, n=1, cutoff=ALIKE)
        hint = f"; did you mean {names[near[0]].name}?" if near else ""
        self.remarks.append(f"{row.place}: the city {row.city} ({row.country}) is new{hint}")
        city = self._cities[key] = City(row.city, row.country, zone, None)
        return city

    def _zone_of(self, country: str) -> str | None:
        """The country's zone when it has one; the operator's when that is one of several."""
        zones = [name for name, code in get_global("zone_territories").items() if code == country]
        if len(zones) == 1:
            return zones[0]
        return self._zone if self._zone in zones else None
