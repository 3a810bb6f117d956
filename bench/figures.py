"""What a run measured, medians of several, ratios of pairs, and the tables they are shown in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Final

# The order in which shares of the processors are shown.
WHO: Final = ("server", "worker", "database", "sandbox", "client")


@dataclass(frozen=True, slots=True)
class Run:
    """One run: `done` answers in `elapsed_s`, their latencies, processor seconds by who used them.

    `cpu_s` has names of `WHO`; `client` is whatever made the load.
    """

    done: int
    elapsed_s: float
    latencies_s: Sequence[float]
    cpu_s: Mapping[str, float]

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return self.done / self.elapsed_s

    def latency_ms(self, share: float) -> float:
        """The latency that `share` (0 to 1) of the answers did not exceed."""
        ordered = sorted(self.latencies_s)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    def cpu_us(self, who: str) -> float | None:
        """Microseconds of a processor for each answer; None when it had no part."""
        used = self.cpu_s.get(who)
        return None if used is None else 1e6 * used / self.done


@dataclass(frozen=True, slots=True)
class Ratio:
    """One figure over another, and what it should be at least; None: only told."""

    figure: str
    reference: str
    goal: float | None


@dataclass(frozen=True, slots=True)
class Goal:
    """What a figure should be at least, a second, when there is no reference to run."""

    figure: str
    per_second: float
    why: str


@dataclass(frozen=True, slots=True)
class Slowest:
    """The p99 of a figure, and what it should be at most: in milliseconds, or times a reference's.

    `reference` None: `most` is milliseconds; else times the p99 of that figure.
    """

    figure: str
    reference: str | None
    most: float


@dataclass(slots=True)
class Table:
    """One row of the goals: its figures, several runs of each, and what they are compared with.

    Runs of different figures take turns, so that what else the machine does meets all of them.
    """

    title: str
    unit: str
    ratios: Sequence[Ratio] = ()
    goals: Sequence[Goal] = ()
    slowest: Sequence[Slowest] = ()
    notes: Sequence[str] = ()
    runs: dict[str, list[Run]] = field(default_factory=dict[str, list[Run]])

    def add(self, figure: str, run: Run) -> None:
        """One more run of a figure."""
        self.runs.setdefault(figure, []).append(run)

    def middle(self, figure: str) -> Run:
        """The run with the median rate (of an even number the slower of the two)."""
        ordered = sorted(self.runs[figure], key=lambda run: run.per_second)
        return ordered[(len(ordered) - 1) // 2]

    def ratio(self, ratio: Ratio) -> float:
        """The median of the rounds' ratios: what disturbs one round disturbs both its runs."""
        pairs = zip(self.runs[ratio.figure], self.runs[ratio.reference], strict=True)
        return median(ours.per_second / theirs.per_second for ours, theirs in pairs)

    def p99(self, slowest: Slowest) -> float:
        """The median over the rounds, in milliseconds or as a ratio."""
        ours = [run.latency_ms(0.99) for run in self.runs[slowest.figure]]
        if slowest.reference is None:
            return median(ours)
        theirs = [run.latency_ms(0.99) for run in self.runs[slowest.reference]]
        return median(one / other for one, other in zip(ours, theirs, strict=True))

    def text(self) -> str:
        """The table in Markdown, its columns aligned."""
        parts = [f"### {self.title}", _aligned(self._figures())]
        if self.ratios:
            parts.append(_aligned(self._ratios()))
        if self.goals:
            parts.append(_aligned(self._goals()))
        if self.slowest:
            parts.append(_aligned(self._slowest()))
        parts += self.notes
        return "\n\n".join(parts) + "\n"

    def _figures(self) -> list[list[str]]:
        middles = {figure: self.middle(figure) for figure in self.runs}
        who = [name for name in WHO if any(name in run.cpu_s for run in middles.values())]
        head = [self.unit, "a second", "lowest–highest", "p50 ms", "p99 ms"]
        rows = [[*head, *(f"{name} µs" for name in who)]]
        for figure, run in middles.items():
            rates = [each.per_second for each in self.runs[figure]]
            rows.append([
                figure,
                f"{run.per_second:,.0f}",
                f"{min(rates):,.0f}–{max(rates):,.0f}",
                f"{run.latency_ms(0.5):.1f}",
                f"{run.latency_ms(0.99):.1f}",
                *(_number(run.cpu_us(name)) for name in who),
            ])  # fmt: skip
        return rows

    def _ratios(self) -> list[list[str]]:
        rows = [["ratio", "measured", "goal"]]
        for each in self.ratios:
            goal = "–" if each.goal is None else f"{each.goal:g}"
            rows.append([f"{each.figure} ÷ {each.reference}", f"{self.ratio(each):.2f}", goal])
        return rows

    def _goals(self) -> list[list[str]]:
        rows = [["goal", "measured", "a second"]]
        for each in self.goals:
            measured = f"{self.middle(each.figure).per_second:,.0f}"
            rows.append([f"{each.figure}: {each.why}", measured, f"{each.per_second:,.0f}"])
        return rows

    def _slowest(self) -> list[list[str]]:
        rows = [["p99", "measured", "at most"]]
        for each in self.slowest:
            is_time = each.reference is None
            what = each.figure if is_time else f"{each.figure} ÷ {each.reference}"
            unit = " ms" if is_time else ""
            rows.append(
                [what, f"{self.p99(each):.{1 if is_time else 2}f}{unit}", f"{each.most:g}{unit}"]
            )
        return rows


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}"


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    """Rows as a Markdown table: the first column to the left, the others to the right."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = [_line(row, widths) for row in rows]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join([lines[0], "| " + " | ".join(rule) + " |", *lines[1:]])


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = zip(cells, widths, strict=True)
    padded = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
    return "| " + " | ".join(padded) + " |"
