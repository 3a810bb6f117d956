from collections import Counter
from pathlib import Path

from kiti.timetable.remarks import Code, counted
from kiti.timetable.report import EXAMPLES_MAX, Report

DOC = Path(__file__).parents[2] / "docs" / "import.md"


def test_every_remark_stands_in_the_documentation_in_its_own_words():
    text = DOC.read_text(encoding="utf-8")
    told = [
        line
        for line in text.splitlines()
        if line.startswith("| `") and line.split("`")[1].isupper()
    ]
    wanted = [
        f"| `{code.name}` | {code.value.noun}: {code.value.text} | {code.value.advice} |"
        for code in Code
    ]
    assert told == wanted


def test_no_two_remarks_are_the_same():
    assert max(Counter(code.value for code in Code).values()) == 1
    assert len(Code.__members__) == len(list(Code))


def test_counts_are_words():
    assert [counted(1, "trip"), counted(0, "trip"), counted(1075, "trip")] == [
        "1 trip", "0 trips", "1,075 trips",
    ]  # fmt: skip
    assert [counted(2, "agency"), counted(2, "day"), counted(2, "fare class")] == [
        "2 agencies", "2 days", "2 fare classes",
    ]  # fmt: skip


def test_only_a_few_short_examples_are_kept():
    report = Report("feed")
    for number in range(1000):
        report.note(Code.STOP_UNUSED, f"{number} " + "x" * 1000)
    finding = report.findings[Code.STOP_UNUSED]
    assert finding.count == 1000
    assert len(finding.examples) == EXAMPLES_MAX
    assert max(map(len, finding.examples)) <= 120
