"""fare_products.txt and what belongs to it: a feed's own fares, as GTFS fares v2 tells them."""

import re
import unicodedata
from collections.abc import Mapping
from typing import Final

from kiti.fares.model import PassengerType
from kiti.platform.money import Money
from kiti.timetable.currency import is_currency
from kiti.timetable.gtfs.model import LegFares, LegRule, ProductPrice, Route, Stop
from kiti.timetable.gtfs.rows import Columns
from kiti.timetable.gtfs.source import Source
from kiti.timetable.gtfs.values import to_id, to_money, to_number
from kiti.timetable.remarks import Code

_PRODUCTS: Final = Columns(
    ("fare_product_id", "amount", "currency", "rider_category_id", "fare_media_id"), required=3
)
_CATEGORIES: Final = Columns(
    ("rider_category_id", "rider_category_name", "is_default_fare_category"), required=1
)
_RULES: Final = Columns(
    (
        "fare_product_id", "network_id", "from_area_id", "to_area_id", "from_timeframe_group_id",
        "to_timeframe_group_id", "rule_priority",
    ),
    required=1,
)  # fmt: skip
_RULES_FILE: Final = "fare_leg_rules.txt"
_STOP_AREAS: Final = Columns(("area_id", "stop_id"), required=2)
_ROUTE_NETWORKS: Final = Columns(("network_id", "route_id"), required=2)
_FOR_SEVERAL_TRIPS: Final = ("fare_transfer_rules.txt", "fare_leg_join_rules.txt")
_ANY_OF_SEVERAL: Final = Columns(
    ("from_leg_group_id", "to_leg_group_id", "fare_transfer_type", "from_network_id"), required=0
)

# Words that name rider categories, in the languages that feeds are written in here.
_TYPE_WORDS: Final = {
    PassengerType.ADULT: {"adult", "adulte", "adulto", "regular", "general", "standard", "full"},
    PassengerType.CHILD: {"child", "children", "kid", "enfant", "crianca", "nino", "mtoto"},
    PassengerType.INFANT: {"infant", "baby", "bebe", "toddler"},
    PassengerType.STUDENT: {"student", "pupil", "etudiant", "estudante", "mwanafunzi"},
    PassengerType.SENIOR: {"senior", "elderly", "pensioner", "aine", "idoso", "mzee"},
}
# Words beside them that change nothing; any other ("non", "except") may mean somebody else.
_PLAIN_WORDS: Final = {
    "card", "cat", "category", "categorie", "citizen", "fare", "passager", "passenger", "person",
    "plein", "price", "rider", "s", "tarif", "tariff", "tarifa", "ticket", "traveler", "traveller",
    "yr", "year",
}  # fmt: skip


def read_leg_fares(
    source: Source, stops: Mapping[str, Stop], routes: Mapping[str, Route]
) -> LegFares | None:
    """The feed's fare products with their rules; None when it has none that can be used.

    Raises:
        NotAFeed: a file is there and cannot be read.
    """
    products = _products(source, _categories(source))
    rules = _rules(source, {price.product_id for price in products})
    for name in _FOR_SEVERAL_TRIPS:
        rows = sum(1 for _ in source.rows(name, _ANY_OF_SEVERAL))
        if rows:
            source.report.note(Code.FARES_BETWEEN_TRIPS, name, count=rows)
    if not products or not rules:
        return None
    return LegFares(
        prices=tuple(products),
        rules=tuple(rules),
        has_priority="rule_priority" in source.archive.titles(_RULES_FILE),
        areas=_areas(source, stops),
        networks=_networks(source, routes),
    )


def _categories(source: Source) -> dict[str, str]:
    """The type of passenger that each rider category is; "" when it names none."""
    found: dict[str, str] = {}
    for line, (category_id, name, is_default) in source.rows("rider_categories.txt", _CATEGORIES):
        if source.is_new_id(f"rider_categories.txt line {line}", category_id, found):
            kind = passenger_type(name) if name else passenger_type(category_id)
            found[category_id] = kind or (PassengerType.ADULT if is_default == "1" else "")
    return found


def passenger_type(text: str) -> str:
    """The one type of passenger that these words name and nothing else; "" when it is not plain."""
    plain = unicodedata.normalize("NFKD", text.lower())
    letters = "".join(mark for mark in plain if not unicodedata.combining(mark))
    words = {word.removesuffix("s") for word in re.split(r"[^a-z]+", letters)}
    kinds = [kind for kind, names in _TYPE_WORDS.items() if words & names]
    named = {name for kind in kinds for name in _TYPE_WORDS[kind]}
    is_plain = words <= named | _PLAIN_WORDS | {""}
    return kinds[0] if len(kinds) == 1 and is_plain else ""


def _products(source: Source, categories: Mapping[str, str]) -> list[ProductPrice]:
    """The prices by product and category; of several media the highest of each currency.

    Where one of them cannot be read there is one without a price as well.
    """
    amounts: dict[tuple[str, str, str], set[int]] = {}
    unreadable: dict[tuple[str, str], None] = {}
    for line, values in source.rows("fare_products.txt", _PRODUCTS):
        product_id, amount, currency, category_id, _medium = values
        price = to_money(amount, currency) if is_currency(currency) else None
        if price is None or to_id(product_id) is None:
            source.report.note(Code.BAD_FARE, f"fare_products.txt line {line}: {product_id}")
            if to_id(product_id) is not None:
                unreadable[product_id, category_id] = None
            continue
        key = product_id, category_id, currency
        amounts.setdefault(key, set()).add(price.amount_minor)
    told = {
        product_id
        for product_id, category_id in (*(key[:2] for key in amounts), *unreadable)
        if not category_id or categories.get(category_id) == PassengerType.ADULT
    }

    def priced(product_id: str, category_id: str, price: Money | None) -> ProductPrice:
        kind = categories.get(category_id, "")
        is_spare = bool(category_id) and not kind and product_id in told
        if is_spare:
            source.report.note(Code.RIDER_CATEGORY_UNKNOWN, f"{product_id} for {category_id}")
        return ProductPrice(product_id, price, kind, is_spare)

    out: list[ProductPrice] = []
    for (product_id, category_id, currency), several in amounts.items():
        if len(several) > 1:
            source.report.note(Code.FARE_BY_MEDIUM, product_id)
        out.append(priced(product_id, category_id, Money(max(several), currency)))
    return out + [priced(*key, None) for key in unreadable]


def _rules(source: Source, product_ids: set[str]) -> list[LegRule]:
    rules: list[LegRule] = []
    for line, values in source.rows(_RULES_FILE, _RULES):
        product_id, network_id, from_area, to_area, from_hours, to_hours, priority = values
        place = f"{_RULES_FILE} line {line}: {product_id}"
        if product_id not in product_ids:
            source.report.note(Code.FARE_RULE_WITHOUT_FARE, place)
            continue
        is_timed = bool(from_hours or to_hours)
        if is_timed:
            source.report.note(Code.FARE_BY_HOUR, place)
        number = to_number(priority) or 0
        rules.append(LegRule(product_id, network_id, from_area, to_area, number, is_timed))
    return rules


def _areas(source: Source, stops: Mapping[str, Stop]) -> dict[str, frozenset[str]]:
    """The areas of each boarding point: its own, else those of its station."""
    named: dict[str, set[str]] = {}
    for _, (area_id, stop_id) in source.rows("stop_areas.txt", _STOP_AREAS):
        if area_id and stop_id:
            named.setdefault(stop_id, set()).add(area_id)
    found = {
        stop.stop_id: named.get(stop.stop_id) or named.get(stop.station_id)
        for stop in stops.values()
        if stop.is_boarding_point
    }
    return {stop_id: frozenset(areas) for stop_id, areas in found.items() if areas}


def _networks(source: Source, routes: Mapping[str, Route]) -> dict[str, str]:
    """The network of each route that is in one; route_networks.txt counts before routes.txt."""
    found = {route.route_id: route.network_id for route in routes.values() if route.network_id}
    for _, (network_id, route_id) in source.rows("route_networks.txt", _ROUTE_NETWORKS):
        if route_id in routes and network_id:
            found[route_id] = network_id
    return found
