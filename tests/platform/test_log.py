"""Logs tell where something failed, and nothing that a person typed."""

import json

import pytest
import structlog

from kiti.platform.log import configure_logging


class Quoting(Exception):
    """An error whose message quotes its input, as a database's does."""


def test_a_trace_has_the_place_and_the_class_and_never_the_message(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logging(is_plain=False)
    log = structlog.get_logger("test")
    try:
        raise Quoting("Key (email)=(canary@kiti.example) already exists")
    except Quoting as error:
        log.exception("request failed", request_id="1")
        log.warning("job failed", exc_info=error)
    structlog.reset_defaults()
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    for line in lines:
        written = json.loads(line)
        assert written["error"] == "Quoting"
        assert "test_log.py" in written["trace"][0]
        assert "canary" not in line
