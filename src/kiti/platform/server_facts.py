"""What the database server says of itself, for `kiti doctor`."""

from datetime import datetime

from kiti.platform.db import Conn, execute, fetch_value


async def get_version(conn: Conn) -> str:
    """Its version, as `18.6`."""
    return str(await fetch_value(conn, "SELECT current_setting('server_version')"))


async def is_durable(conn: Conn) -> bool:
    """Whether what it has committed survives a crash."""
    return await fetch_value(conn, "SELECT current_setting('fsync') = 'on'")


async def is_standby(conn: Conn) -> bool:
    """Whether it only follows another server."""
    return await fetch_value(conn, "SELECT pg_is_in_recovery()")


async def read_clock(conn: Conn) -> datetime:
    """Its clock."""
    return await fetch_value(conn, "SELECT clock_timestamp()")


async def take_time(conn: Conn) -> None:
    """Let this transaction's statements run as long as they need: an audit reads everything."""
    await execute(conn, "SET LOCAL statement_timeout = 0")
