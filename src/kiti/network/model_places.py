"""Words for places: cities and stops, and their names folded as people type them."""

import unicodedata
from dataclasses import dataclass
from typing import Final, Literal
from uuid import UUID

Kind = Literal["CITY", "STOP"]

# Letters that Unicode does not take apart, as people without that key type them.
_PLAIN: Final = str.maketrans({
    "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ħ": "h", "ı": "i",
    "ɓ": "b", "ɗ": "d", "ƙ": "k", "ƴ": "y", "ɛ": "e", "ɔ": "o", "ŋ": "ng", "ɣ": "g", "ʋ": "v",
    "ƒ": "f", "ə": "e", "ɩ": "i", "ʊ": "u", "ɖ": "d",
    # Written inside a word, and left out by many: N'Djamena, Murang’a, Kwa Ng'ombe.
    "'": "", "’": "", "‘": "", "ʼ": "", "ʻ": "", "`": "", "\u00ad": "", "\u200b": "",
})  # fmt: skip
LETTERS_MIN: Final = 2
FOLDED_MAX: Final = 100
_WORDS_MAX: Final = 16


@dataclass(frozen=True, slots=True)
class PlaceNames:
    """All that people may type for one city or stop: its name first, then its aliases."""

    place_id: UUID
    kind: Kind
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """A city or stop found by one of its names.

    `city` is the stop's city, or the city's own name; None, as `country`, where there is none.
    `word` and `folded` are the match: how many words of the name stand before it, and the name
    from there on. With `kind` and `place_id` they are the place's key in the list.
    """

    place_id: UUID
    kind: Kind
    name: str
    city: str | None
    country: str | None
    timezone: str
    word: int
    folded: str


@dataclass(frozen=True, slots=True)
class NamedPlace:
    """A city or stop known by its id. `city` and `country` as in `Place`."""

    place_id: UUID
    kind: Kind
    name: str
    city: str | None
    country: str | None
    timezone: str


@dataclass(frozen=True, slots=True)
class PlaceKey:
    """Where a place stands in the list of a search."""

    kind: Kind
    word: int
    folded: str
    place_id: UUID


def fold(text: str) -> str:
    """A name without case, marks, punctuation and needless spaces: `Kwa Ng'ombe`, `kwa ngombe`.

    Compatibility forms are made plain too (full-width letters, ligatures). Folding what is folded
    changes nothing.
    """
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    kept = (c for c in plain.translate(_PLAIN) if not unicodedata.combining(c))
    return " ".join("".join(c if _is_spelling(c) else " " for c in kept).split())


def _is_spelling(character: str) -> bool:
    """Letters and digits, and the vowel signs of scripts that write them as marks."""
    return character.isalnum() or unicodedata.category(character)[0] == "M"


def word_starts(name: str) -> list[str]:
    """The folded name, then the same from its second word on, its third, and so on.

    At most 16 of them, each cut to 100 characters: nobody types more.
    """
    words = fold(name).split()
    starts = range(min(len(words), _WORDS_MAX))
    return [" ".join(words[start:])[:FOLDED_MAX].rstrip() for start in starts]


def letters(text: str) -> int:
    """How many letters and digits of a name a search can go by."""
    return len(fold(text).replace(" ", ""))
