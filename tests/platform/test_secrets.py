"""Secrets made in development: once, whole, private; and comparing in constant time."""

import base64
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kiti.platform.secrets import constant_time_equal, development_secret

CALLERS = 16


def test_a_secret_is_made_once_and_kept(tmp_path: Path) -> None:
    folder = tmp_path / "a folder" / "data"
    first = development_secret(folder, "JWT_SECRET")
    assert len(base64.b64decode(first, validate=True)) == 32
    assert development_secret(folder, "JWT_SECRET") == first
    assert development_secret(folder, "KITI_TICKET_KEY") != first
    assert development_secret(tmp_path / "other", "JWT_SECRET") != first


def test_a_secret_is_its_owners_alone(tmp_path: Path) -> None:
    development_secret(tmp_path, "JWT_SECRET")
    path = tmp_path / "secrets" / "JWT_SECRET"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert sorted(item.name for item in path.parent.iterdir()) == [".lock", "JWT_SECRET"]


def test_a_start_that_died_while_writing_is_no_hindrance(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / ".JWT_SECRET.new").write_text("half")
    secret = development_secret(tmp_path, "JWT_SECRET")
    assert len(base64.b64decode(secret, validate=True)) == 32


def test_many_that_start_at_once_get_the_same_secret(tmp_path: Path) -> None:
    gate = threading.Barrier(CALLERS)

    def call(_: int) -> str:
        gate.wait(timeout=30)
        return development_secret(tmp_path, "JWT_SECRET")

    with ThreadPoolExecutor(CALLERS) as threads:
        assert len(set(threads.map(call, range(CALLERS)))) == 1


def test_twin_that_looks_and_writes_without_a_lock_makes_several(tmp_path: Path) -> None:
    gate = threading.Barrier(CALLERS)
    path = tmp_path / "JWT_SECRET"

    def call(number: int) -> str:
        is_there = path.exists()
        gate.wait(timeout=30)
        if is_there:
            return path.read_text()
        made = f"secret {number}"
        path.write_text(made)
        return made

    with ThreadPoolExecutor(CALLERS) as threads:
        assert len(set(threads.map(call, range(CALLERS)))) == CALLERS


@pytest.mark.parametrize("name", ["", "../JWT_SECRET", "a", "A/B", "JWT_SECRET\n", "A" * 70])
def test_a_name_is_no_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(AssertionError):
        development_secret(tmp_path, name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("given", "expected", "same"),
    [
        ("secret", "secret", True),
        ("s\u00e9cret", "s\u00e9cret", True),
        ("secret", "secret2", False),
        ("secre", "secret", False),
        ("", "secret", False),
        ("", "", False),
        ("secret", "", False),
        ("\udcff", "secret", False),
    ],
)
def test_an_unset_secret_matches_nothing(given: str, expected: str, *, same: bool) -> None:
    assert constant_time_equal(given, expected) is same
