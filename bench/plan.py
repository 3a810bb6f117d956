"""How long and how often everything is measured."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass

from kiti.platform.clock import monotonic_s


@dataclass(frozen=True, slots=True)
class Plan:
    """`runs` of `seconds` each, after `warm_s` of the same load that does not count.

    `connections` make the load over HTTP. `began_s` is for telling how far it is. `trips_large` is
    how many trips the larger timetable has that is searched.
    """

    runs: int
    seconds: float
    connections: int
    began_s: float
    warm_s: float = 0.5
    trips_large: int = 1_000_000

    def rounds(self, title: str) -> Iterator[int]:
        """The rounds of a table, each told as it begins."""
        for number in range(1, self.runs + 1):
            self.tell(f"{title}: round {number} of {self.runs}")
            yield number

    def tell(self, what: str) -> None:
        """Say on stderr what is done now."""
        sys.stderr.write(f"bench: {monotonic_s() - self.began_s:4.0f} s  {what}\n")
        sys.stderr.flush()
