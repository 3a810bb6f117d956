"""Every scenario of payments that is due has a test of its name."""

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
# 45 to 50 come with the books of operators, 53 with webhooks of our own.
DUE = {*range(1, 45), 51, 52}


def test_every_scenario_has_its_test() -> None:
    named = re.compile(r"^\s*(?:async )?def test_scenario_(\d\d)_", re.MULTILINE)
    found = {
        int(number)
        for path in TESTS.rglob("test_*.py")
        for number in named.findall(path.read_text(encoding="utf-8"))
    }
    assert sorted(DUE - found) == []
