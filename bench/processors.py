"""Processor seconds of processes, from /proc, in steps of a hundredth of a second."""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

TICK_S: Final = 1 / os.sysconf("SC_CLK_TCK")


class _Stat(NamedTuple):
    parent: int
    own_s: float
    children_s: float


def _stat(pid: int) -> _Stat:
    """Of one process: its parent, its own seconds, and those of its children that have ended."""
    text = Path("/proc", f"{pid}", "stat").read_text(encoding="utf-8")
    # The command's name, in brackets, may hold anything; what follows the last bracket is numbers.
    fields = text.rpartition(")")[2].split()
    own, ended = sum(map(int, fields[11:13])), sum(map(int, fields[13:15]))
    return _Stat(int(fields[1]), own * TICK_S, ended * TICK_S)


def used_by(pids: Iterable[int]) -> float:
    """Seconds used so far by these processes, threads included."""
    return sum(_stat(pid).own_s for pid in pids)


def used_by_family(parent: int) -> float:
    """Seconds used so far by a process and its children, also those that have ended."""
    head = _stat(parent)
    used = head.own_s + head.children_s
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(FileNotFoundError, ProcessLookupError):  # ended as we looked
                child = _stat(int(folder.name))
                used += child.own_s if child.parent == parent else 0.0
    return used


def parent_of(pid: int) -> int:
    """The process that started this one."""
    return _stat(pid).parent
