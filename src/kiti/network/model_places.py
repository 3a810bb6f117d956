"""Words for places: cities and stops, and their names folded as people type them."""

import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
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
# From so many letters on one of them may be wrong, then two: of fewer almost every name is near.
_ONE_EDIT_FROM: Final = 4
_TWO_EDITS_FROM: Final = 8
# So few letters are typed to their end, else they begin half of all names but for one.
_UNFINISHED_FROM: Final = 5
# A word that was typed whole is a better guess than the beginning of a longer one.
_UNFINISHED: Final = 10


@dataclass(frozen=True, slots=True)
class PlaceNames:
    """All that people may type for one city or stop: its name first, then its aliases."""

    place_id: UUID
    kind: Kind
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PlaceKey:
    """Where a place stands in the list of a search: the lesser comes first.

    `edits` is 0 for a name that has what was typed in it; else how far it is from it: a guess,
    and no guess stands before a name that has it.
    `word` and `folded` are the match: how many words of the name stand before it, and the name
    from there on. `quiet` is 0 for a place without trips, and the less the busier it is.
    """

    kind: Kind
    edits: int
    word: int
    quiet: int
    folded: str
    place_id: UUID

    @property
    def is_guess(self) -> bool:
        """Whether the name has not what was typed in it."""
        return self.edits > 0

    def order(self) -> tuple[bool, str, int, int, int, str, UUID]:
        """What keys are compared by."""
        return (
            *(self.is_guess, self.kind, self.edits),
            *(self.word, self.quiet, self.folded, self.place_id),
        )


@dataclass(frozen=True, slots=True)
class Place:
    """A city or stop found by one of its names.

    `city` is the stop's city, or the city's own name; None, as `country`, where there is none.
    `code` is the stop's in its source, None for a city. The other fields are those of its key in
    the list.
    """

    place_id: UUID
    kind: Kind
    name: str
    city: str | None
    country: str | None
    timezone: str
    code: str | None
    edits: int
    word: int
    quiet: int
    folded: str

    @property
    def key(self) -> PlaceKey:
        """Where it stands in the list."""
        return PlaceKey(self.kind, self.edits, self.word, self.quiet, self.folded, self.place_id)


@dataclass(frozen=True, slots=True)
class NearStop:
    """A stop near a point, and how far it is in whole metres as the crow flies."""

    stop_id: UUID
    name: str
    city: str | None
    country: str | None
    timezone: str
    code: str
    distance_m: int


@dataclass(frozen=True, slots=True)
class NamedPlace:
    """A city or stop known by its id. `city`, `country` and `code` as in `Place`."""

    place_id: UUID
    kind: Kind
    name: str
    city: str | None
    country: str | None
    timezone: str
    code: str | None


def telling_codes(places: Sequence[Place | NearStop | NamedPlace]) -> list[str | None]:
    """For each place what tells it from others of its name in this list; None: the name does.

    It is the code of a stop, where another stop has the same name in the same city: platforms of
    one station are named alike in many sources.
    """
    names = Counter(_shown(place) for place in places if place.code is not None)
    return [place.code if names[_shown(place)] > 1 else None for place in places]


def _shown(place: Place | NearStop | NamedPlace) -> tuple[str, str | None, str | None]:
    return (fold(place.name), place.city, place.country)


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


def edits_max(typed: str) -> int:
    """How many letters of what was typed, folded, may be wrong."""
    n_letters = letters(typed)
    return (n_letters >= _ONE_EDIT_FROM) + (n_letters >= _TWO_EDITS_FROM)


def misspelt(place: Place, typed: str) -> Place | None:
    """The place, whose `folded` is a whole name, as what people meant; None when it is too far.

    From the start of one of its words on the name must begin with `typed` but for a letter or two:
    left out, put in, another one, or two that changed places. Digits are never mistaken; nor is,
    of fewer than 8 letters, the first; of fewer than 5 the name's word ends where they do.
    """
    most, digits = edits_max(typed), _digits(typed)
    found: list[tuple[int, int, str]] = []
    for word, start in enumerate(word_starts(place.folded)):
        if most == 1 and start[0] != typed[0]:
            continue
        # Each letter that the name lacks is an edit: most names need no closer look.
        if len(set(typed).difference(start)) > most:
            continue
        if digits and not _digits(start).startswith(digits):
            continue
        edits = _edits(typed, start, most)
        if edits is not None and (edits < _UNFINISHED or letters(typed) >= _UNFINISHED_FROM):
            found.append((edits, word, start))
    if not found:
        return None
    edits, word, folded = min(found)
    return replace(place, edits=edits, word=word, folded=folded)


def _digits(text: str) -> str:
    return "".join(filter(str.isdigit, text))


def _edits(typed: str, name: str, most: int) -> int | None:
    """The fewest edits from `typed` to a beginning of `name`; None for more than `most`.

    One that ends within a word counts 10 more. Only the band of the table is filled where there
    are so few. Source: the distance of optimal string alignment.
    """
    far = most + 1
    width = min(len(name), len(typed) + most)
    older: list[int] = []
    before: list[int] = []
    row = [to if to <= most else far for to in range(width + 1)]
    for at, letter in enumerate(typed):
        older, before, row = before, row, [far] * (width + 1)
        least = row[0] = min(at + 1, far)
        for to in range(max(0, at - most), min(width, at + most + 1)):
            other = name[to]
            edits = before[to] + (letter != other)
            edits = min(edits, before[to + 1] + 1, row[to] + 1)
            if at and to and letter != other == typed[at - 1] and letter == name[to - 1]:
                edits = min(edits, older[to - 1] + 1)
            row[to + 1] = edits
            least = min(least, edits)
        if least > most:
            return None
    ends = [
        edits if name[to : to + 1] in {"", " "} else edits + _UNFINISHED
        for to, edits in enumerate(row)
        if edits <= most
    ]
    return min(ends, default=None)
