"""SQL of the timetable that only reads: whether a feed was ever written."""

from kiti.platform.db import Conn, fetch_value


async def has_stops(conn: Conn, *, feed: str) -> bool:
    """Whether anything of the feed was ever written."""
    return await fetch_value(conn, "SELECT EXISTS (SELECT FROM stop WHERE feed = $1)", feed)
