"""A bounded store of things read before: the least recently used goes first."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from kiti.platform.clock import monotonic_s

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Lru(Generic[Key, Value]):
    """Values by key, of `weight_max` together at most, each for `ttl_s` seconds (None: for good).

    One value counts as `weight` (1 unless told); one that is heavier than all may weigh is not
    kept. `hits` and `misses` count the reads.
    """

    def __init__(
        self,
        *,
        weight_max: int,
        ttl_s: float | None = None,
        clock: Callable[[], float] = monotonic_s,
    ) -> None:
        self.hits = 0
        self.misses = 0
        self.weight = 0
        self._weight_max = weight_max
        self._ttl_s = ttl_s
        self._clock = clock
        self._kept: OrderedDict[Key, tuple[Value, int, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Key) -> Value | None:
        """The value kept under `key`; None when there is none or it is too old."""
        found = self._kept.get(key)
        if found is not None and self._ttl_s is not None and self._clock() - found[2] > self._ttl_s:
            self.drop(key)
            found = None
        if found is None:
            self.misses += 1
            return None
        self.hits += 1
        self._kept.move_to_end(key)
        return found[0]

    def put(self, key: Key, value: Value, *, weight: int = 1) -> None:
        """Keep `value`; the least recently used leave until there is room."""
        self.drop(key)
        if weight > self._weight_max:
            return
        self._kept[key] = (value, weight, self._clock())
        self.weight += weight
        while self.weight > self._weight_max:
            _, (_, gone, _) = self._kept.popitem(last=False)
            self.weight -= gone

    def drop(self, key: Key) -> None:
        """Forget `key`, if it is kept."""
        found = self._kept.pop(key, None)
        if found is not None:
            self.weight -= found[1]
