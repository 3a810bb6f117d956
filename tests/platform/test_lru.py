from hypothesis import given
from hypothesis import strategies as st

from kiti.platform.lru import Lru


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_least_recently_used_leaves_first():
    lru = Lru[str, int](weight_max=2)
    lru.put("a", 1)
    lru.put("b", 2)
    assert lru.get("a") == 1
    lru.put("c", 3)
    assert [lru.get(key) for key in "abc"] == [1, None, 3]
    assert (lru.hits, lru.misses, len(lru)) == (3, 1, 2)


def test_what_is_too_old_is_not_there():
    clock = Clock()
    lru = Lru[str, int](weight_max=2, ttl_s=5, clock=clock)
    lru.put("a", 1)
    clock.now = 5
    assert lru.get("a") == 1
    clock.now = 5.1
    assert lru.get("a") is None
    assert len(lru) == 0


def test_what_is_heavier_than_all_may_weigh_is_not_kept():
    lru = Lru[str, int](weight_max=3)
    lru.put("a", 1)
    lru.put("a", 2, weight=4)
    assert (lru.get("a"), lru.weight) == (None, 0)


@given(
    st.integers(1, 6), st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 4)), max_size=30)
)
def test_it_is_a_list_in_order_of_use(weight_max: int, steps: list[tuple[str, int]]):
    lru = Lru[str, int](weight_max=weight_max)
    model: list[tuple[str, int]] = []  # the least recently used first; weight 0: a read
    for number, (key, weight) in enumerate(steps):
        kept = [item for item in model if item[0] == key]
        if weight == 0:
            assert (lru.get(key) is not None) == bool(kept)
            model = [item for item in model if item[0] != key] + kept
            continue
        lru.put(key, number, weight=weight)
        model = [item for item in model if item[0] != key]
        if weight <= weight_max:
            model.append((key, weight))
        while sum(w for _, w in model) > weight_max:
            model.pop(0)
    assert lru.weight == sum(weight for _, weight in model)
    assert {key for key in "abcd" if lru.get(key) is not None} == {key for key, _ in model}
