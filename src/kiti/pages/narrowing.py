"""The results narrowed by links: time of day, operator, class and what is on board."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import time
from typing import Final

from kiti.checkout.model_search import Choices, Filters
from kiti.pages.forms import Form
from kiti.pages.words import Words
from kiti.platform.ids import find_id

# Field of the address, and the words of its group.
GROUPS: Final = {
    "time": "Leaving",
    "operator": "Operator",
    "class": "Class",
    "amenity": "On board",
}
TIMES: Final = {
    "morning": (time(5), time(12)),
    "afternoon": (time(12), time(17)),
    "evening": (time(17), time(22)),
    "night": (time(22), time(5)),
}
OPERATORS_MAX: Final = 12
_VALUE_LENGTH_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class Chip:
    """One link of a group: it sets its value, or when `is_on` takes it away."""

    text: str
    href: str
    is_on: bool


@dataclass(frozen=True, slots=True)
class Narrowed:
    """What the results are narrowed to: a value for some fields of `GROUPS`."""

    values: dict[str, str]

    @classmethod
    def of(cls, form: Form) -> "Narrowed":
        """What a query says; what makes no sense is left out."""
        given = {field: form.text(field)[:_VALUE_LENGTH_MAX] for field in GROUPS}
        if given["time"] not in TIMES:
            del given["time"]
        if find_id(given["operator"]) is None:
            del given["operator"]
        return cls({field: value for field, value in given.items() if value})

    def filters(self) -> Filters:
        """The same for a search."""
        operator_id = find_id(self.values.get("operator", ""))
        begin, end = TIMES.get(self.values.get("time", ""), (None, None))
        seat_class, amenity = self.values.get("class"), self.values.get("amenity")
        return Filters(
            operator_ids=frozenset([operator_id] if operator_id else []),
            classes=frozenset([seat_class.casefold()] if seat_class else []),
            amenities=frozenset([amenity.upper()] if amenity else []),
            depart_after=begin,
            depart_before=end,
        )

    def groups(
        self, choices: Choices, words: Words, address: Callable[[str, str | None], str]
    ) -> list[tuple[str, list[Chip]]]:
        """The groups with their links; a group without a choice is left out.

        `address` gives the page's address with one field changed, None to leave it out.
        """
        found: list[tuple[str, list[Chip]]] = []
        for field, title in GROUPS.items():
            chosen = self.values.get(field)
            options = list(_options(field, choices, words))
            if len(options) > 1 or chosen:
                chips = [
                    Chip(text, address(field, None if value == chosen else value), value == chosen)
                    for value, text in options
                ]
                found.append((words.gettext(title), chips))
        return found


def _options(field: str, choices: Choices, words: Words) -> Iterator[tuple[str, str]]:
    """The values of a field, each with its words."""
    match field:
        case "time":
            for name, (begin, end) in TIMES.items():
                yield name, f"{words.gettext(name.capitalize())} {begin:%H}–{end:%H}"
        case "operator":
            for operator_id, name in choices.operators[:OPERATORS_MAX]:
                yield str(operator_id), name
        case "class":
            for name in choices.classes:
                yield name, words.seat_class(name)
        case _:
            for word in choices.amenities:
                yield word, words.seat_class(word)
