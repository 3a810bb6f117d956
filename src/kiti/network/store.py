"""SQL of operators, cities, layouts, vehicles and routes."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from kiti.platform.db import Conn, execute, fetch_all, fetch_value


@dataclass(frozen=True, slots=True)
class LayoutRow:
    """A layout's text."""

    layout_id: UUID
    text: str


async def list_layouts(conn: Conn, *, layout_ids: Sequence[UUID]) -> list[LayoutRow]:
    """The texts of these layouts."""
    return await fetch_all(
        conn,
        LayoutRow,
        "SELECT layout_id, text FROM layout WHERE layout_id = ANY($1::uuid[])",
        layout_ids,
    )


async def upsert_operator(
    conn: Conn,
    *,
    operator_id: UUID,
    code: str,
    name: str,
    timezone: str,
    phone: str | None,
    sales_close_minutes: int,
) -> int:
    """Write the operator of this code; `operator_id` is its id if it is new."""
    return await execute(
        conn,
        """
        INSERT INTO operator (operator_id, code, name, timezone, phone, sales_close_minutes)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (code) DO UPDATE
        SET name = excluded.name, timezone = excluded.timezone, phone = excluded.phone,
          sales_close_minutes = excluded.sales_close_minutes
        WHERE (operator.name, operator.timezone, operator.phone, operator.sales_close_minutes)
          IS DISTINCT FROM
          (excluded.name, excluded.timezone, excluded.phone, excluded.sales_close_minutes)
        """,
        operator_id,
        code,
        name,
        timezone,
        phone,
        sales_close_minutes,
    )


async def find_operator_id(conn: Conn, *, code: str) -> UUID | None:
    """The operator of this code."""
    return await fetch_value(conn, "SELECT operator_id FROM operator WHERE code = $1", code)


async def upsert_city(
    conn: Conn,
    *,
    city_id: UUID,
    name: str,
    country: str,
    timezone: str,
    latitude: float | None,
    longitude: float | None,
) -> int:
    """Write the city of this name in this country; `city_id` is its id if it is new."""
    return await execute(
        conn,
        """
        INSERT INTO city (city_id, name, country, timezone, latitude, longitude)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (country, name) DO UPDATE
        SET timezone = excluded.timezone, latitude = excluded.latitude,
          longitude = excluded.longitude
        WHERE (city.timezone, city.latitude, city.longitude)
          IS DISTINCT FROM (excluded.timezone, excluded.latitude, excluded.longitude)
        """,
        city_id,
        name,
        country,
        timezone,
        latitude,
        longitude,
    )


async def find_city_id(conn: Conn, *, country: str, name: str) -> UUID | None:
    """The city of this name in this country."""
    return await fetch_value(
        conn, "SELECT city_id FROM city WHERE country = $1 AND name = $2", country, name
    )


async def insert_layout(
    conn: Conn, *, layout_id: UUID, name: str, sha256: str, text: str, seats: int
) -> int:
    """Write a layout; none when this text is there."""
    return await execute(
        conn,
        """
        INSERT INTO layout (layout_id, name, sha256, text, seats)
        VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (sha256) DO NOTHING
        """,
        layout_id,
        name,
        sha256,
        text,
        seats,
    )


async def find_layout_id(conn: Conn, *, sha256: str) -> UUID | None:
    """The layout whose text has this digest."""
    return await fetch_value(conn, "SELECT layout_id FROM layout WHERE sha256 = $1", sha256)


async def upsert_vehicle(
    conn: Conn, *, vehicle_id: UUID, operator_id: UUID, plate: str, layout_id: UUID
) -> int:
    """Write the operator's vehicle of this plate; `vehicle_id` is its id if it is new."""
    return await execute(
        conn,
        """
        INSERT INTO vehicle (vehicle_id, operator_id, plate, layout_id)
        VALUES ($1, $2, $3, $4)
        ON CONFLICT (operator_id, plate) DO UPDATE
        SET layout_id = excluded.layout_id
        WHERE vehicle.layout_id <> excluded.layout_id
        """,
        vehicle_id,
        operator_id,
        plate,
        layout_id,
    )


async def find_vehicle_id(conn: Conn, *, operator_id: UUID, plate: str) -> UUID | None:
    """The operator's vehicle of this plate."""
    return await fetch_value(
        conn,
        "SELECT vehicle_id FROM vehicle WHERE operator_id = $1 AND plate = $2",
        operator_id,
        plate,
    )


async def upsert_route(
    conn: Conn,
    *,
    route_id: UUID,
    operator_id: UUID,
    feed: str,
    code: str,
    name: str,
    mode: str,
) -> int:
    """Write the feed's route of this code; `route_id` is its id if it is new."""
    return await execute(
        conn,
        """
        INSERT INTO route (route_id, operator_id, feed, code, name, mode)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (feed, code) DO UPDATE
        SET operator_id = excluded.operator_id, name = excluded.name, mode = excluded.mode
        WHERE (route.operator_id, route.name, route.mode)
          IS DISTINCT FROM (excluded.operator_id, excluded.name, excluded.mode)
        """,
        route_id,
        operator_id,
        feed,
        code,
        name,
        mode,
    )


async def find_route_id(conn: Conn, *, feed: str, code: str) -> UUID | None:
    """The feed's route of this code."""
    return await fetch_value(
        conn, "SELECT route_id FROM route WHERE feed = $1 AND code = $2", feed, code
    )
