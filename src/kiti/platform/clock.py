"""The application's clock: the one place that reads it. Expiry is judged by the database's."""

from datetime import UTC, datetime
from time import monotonic


def utc_now() -> datetime:
    """The present instant, aware, in UTC."""
    return datetime.now(UTC)


def monotonic_s() -> float:
    """Seconds on a clock that never jumps: for lengths and deadlines, never for instants."""
    return monotonic()
