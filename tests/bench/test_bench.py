"""Every row of the benchmarks runs, as briefly as can be. What it measures fails nothing."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bench", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


@pytest.mark.slow
def test_every_row_is_measured_beside_its_reference():
    done = run("--runs", "1", "--seconds", "0.5", "--trips", "20000")
    assert done.returncode == 0, done.stderr
    for title in ("one seat", "three seats", "Whole sales", "Availability", "Search", "Typing"):
        assert title in done.stdout
    for reference in ("pgbench", "empty POST", "empty GET", "IRCTC", "10,000 trips"):
        assert reference in done.stdout


def test_an_unknown_row_is_refused_with_the_names_there_are():
    done = run("speed")
    assert done.returncode == 2
    assert "holds3" in done.stderr
