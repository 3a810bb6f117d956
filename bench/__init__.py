"""The benchmarks: the product over real HTTP, each figure beside its reference in the same run.

`python -m bench` (or `make bench`) makes a database of its own with `fsync` on, starts the
product's own processes, loads them from this one, and prints tables. Nothing here fails because a
figure is low: a wrong answer, or an invariant that does not hold afterwards, does.
"""
