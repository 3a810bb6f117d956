"""What a renewal found: how a feed's trips differ from those on file, counted and with examples."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from kiti.platform.errors import Conflict, NotFound

EXAMPLES_MAX: Final = 5
_EXAMPLE_LENGTH_MAX: Final = 160


class FeedBusy(Conflict):
    """Another import of this feed is under way."""


class TooManyRemovals(Conflict):
    """More than half of the trips on file would go: the source may be cut short."""


class NoSuchReview(NotFound):
    """The trip does not wait for anybody's decision."""


class MoveImpossible(Conflict):
    """The trip cannot follow its timetable with its bookings: more than its times would change."""


class Kind(Enum):
    """What becomes of one trip; the value says so to a person."""

    NEW = "new"
    SAME = "as they were"
    REPRICED = "only the fares, the close of sales or numbers of the source changed"
    CHANGED = "changed, nobody had booked"
    RETURNED = "back as they were: sales open again"
    FLAGGED = "changed after they were booked: kept as booked, for a person to decide"
    FLAGGED_GONE = "no longer listed but booked: kept, sales closed, for a person to decide"
    KEPT = "differ, and a person has decided to keep them"
    CLOSED = "no longer listed: closed, for bookings of the past name them"
    REMOVED = "no longer listed: removed"
    LEFT = "have left or are cancelled: as they were"
    RENAMED = "of them under another code than before"


# What a trip that the source lists may become: the counts of these are the trips listed.
LISTED: Final = (
    Kind.NEW, Kind.SAME, Kind.REPRICED, Kind.CHANGED, Kind.RETURNED, Kind.FLAGGED, Kind.KEPT,
    Kind.LEFT,
)  # fmt: skip
# What a trip on file becomes when its source says something else of it, or nothing.
ALTERED: Final = (
    Kind.CHANGED, Kind.FLAGGED, Kind.FLAGGED_GONE, Kind.CLOSED, Kind.REMOVED,
)  # fmt: skip
_SILENT: Final = {Kind.NEW, Kind.SAME, Kind.LEFT}


@dataclass(slots=True)
class Changes:
    """Counts of trips by what became of them (in a dry run: would), and the first few of each.

    `ahead`: trips of the window that were on file and had not left; `going`: those of them that
    the source no longer lists.
    """

    ahead: int = 0
    going: int = 0
    counts: dict[Kind, int] = field(default_factory=dict[Kind, int])
    examples: dict[Kind, list[str]] = field(default_factory=dict[Kind, list[str]])

    def note(self, kind: Kind, example: str = "", *, count: int = 1) -> None:
        """Count trips, and keep the example while there are few."""
        if count == 0:
            return
        self.counts[kind] = self.counts.get(kind, 0) + count
        kept = self.examples.setdefault(kind, [])
        if example and kind not in _SILENT and len(kept) < EXAMPLES_MAX:
            kept.append(example[:_EXAMPLE_LENGTH_MAX])

    def count(self, kind: Kind) -> int:
        """How many; 0 when none."""
        return self.counts.get(kind, 0)

    @property
    def listed(self) -> int:
        """How many of the trips counted the source lists."""
        return sum(map(self.count, LISTED))

    @property
    def is_too_many(self) -> bool:
        """Whether so many would go that somebody must allow it."""
        return self.going * 2 > self.ahead

    def lines(self, *, without: Collection[Kind] = ()) -> list[str]:
        """For a person: a line for each kind there is, with examples below it."""
        out: list[str] = []
        for kind in Kind:
            if not self.count(kind) or kind in without:
                continue
            out.append(f"{self.count(kind):,} {kind.value}")
            examples = self.examples.get(kind, [])
            if examples:
                more = "; …" if self.count(kind) > len(examples) else ""
                out.append(f"  {'; '.join(examples)}{more}")
        return out

    def to_dict(self) -> Mapping[str, object]:
        """The same for programs, ready for JSON."""
        return {
            "ahead": self.ahead,
            "going": self.going,
            **{
                kind.name.lower(): {
                    "count": self.count(kind),
                    "examples": list(self.examples.get(kind, [])),
                }
                for kind in Kind
            },
        }


def too_many(changes: Changes) -> str:
    """Why so many removals need somebody's word, with the counts."""
    return (
        f"{changes.going:,} of the {changes.ahead:,} trips ahead are no longer listed; if the "
        "source is whole, say --allow-removals"
    )
