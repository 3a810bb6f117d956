"""SQL of what waits for a person: trips that changed after they were booked."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from kiti.platform.db import Conn, execute, fetch_all, fetch_optional


@dataclass(frozen=True, slots=True)
class ReviewRow:
    """A review in force beside the trip as it stands; the `new_` columns are None when it is gone.

    `timezone` is that of the trip's first stop. `has_left`: the trip, by the database's clock;
    `is_past`: the departure that the timetable wants now.
    """

    review_id: UUID
    trip_id: UUID
    kind: str
    found_at: datetime
    decision: str | None
    feed: str
    code: str
    service_date: date
    operator_name: str
    timezone: str
    operator_id: UUID
    pattern_id: UUID
    layout_id: UUID
    fare_table_id: UUID
    starts_at: datetime
    has_left: bool
    new_operator_id: UUID | None
    new_pattern_id: UUID | None
    new_layout_id: UUID | None
    new_starts_at: datetime | None
    new_sales_close_at: datetime | None
    is_past: bool | None


async def list_open(
    conn: Conn, *, after: tuple[datetime, UUID] | None, limit: int
) -> list[ReviewRow]:
    """Reviews that nobody has decided, of trips neither gone nor cancelled; the oldest first."""
    return await fetch_all(
        conn,
        ReviewRow,
        """
        SELECT review.review_id, review.trip_id, review.kind, review.found_at, review.decision,
          trip.feed, trip.code, trip.service_date, operator.name AS operator_name, stop.timezone,
          trip.operator_id, trip.pattern_id, trip.layout_id, trip.fare_table_id, trip.starts_at,
          trip.starts_at <= clock_timestamp() AS has_left,
          review.operator_id AS new_operator_id, review.pattern_id AS new_pattern_id,
          review.layout_id AS new_layout_id, review.starts_at AS new_starts_at,
          review.sales_close_at AS new_sales_close_at,
          review.starts_at <= clock_timestamp() AS is_past
        FROM trip_review review
        JOIN trip ON trip.trip_id = review.trip_id
        JOIN operator ON operator.operator_id = trip.operator_id
        JOIN pattern_call call ON call.pattern_id = trip.pattern_id AND call.position = 0
        JOIN stop ON stop.stop_id = call.stop_id
        JOIN trip_inventory inv ON inv.trip_id = trip.trip_id AND inv.status <> 'cancelled'
        WHERE review.decision IS NULL AND trip.starts_at > clock_timestamp()
          AND ($1::timestamptz IS NULL OR (review.found_at, review.review_id) > ($1, $2::uuid))
        ORDER BY review.found_at, review.review_id
        LIMIT $3
        """,
        None if after is None else after[0],
        None if after is None else after[1],
        limit,
    )


async def find_review(conn: Conn, *, trip_id: UUID) -> ReviewRow | None:
    """The review of this trip that is in force: undecided, or decided to keep."""
    return await fetch_optional(
        conn,
        ReviewRow,
        """
        SELECT review.review_id, review.trip_id, review.kind, review.found_at, review.decision,
          trip.feed, trip.code, trip.service_date, operator.name AS operator_name, stop.timezone,
          trip.operator_id, trip.pattern_id, trip.layout_id, trip.fare_table_id, trip.starts_at,
          trip.starts_at <= clock_timestamp() AS has_left,
          review.operator_id AS new_operator_id, review.pattern_id AS new_pattern_id,
          review.layout_id AS new_layout_id, review.starts_at AS new_starts_at,
          review.sales_close_at AS new_sales_close_at,
          review.starts_at <= clock_timestamp() AS is_past
        FROM trip_review review
        JOIN trip ON trip.trip_id = review.trip_id
        JOIN operator ON operator.operator_id = trip.operator_id
        JOIN pattern_call call ON call.pattern_id = trip.pattern_id AND call.position = 0
        JOIN stop ON stop.stop_id = call.stop_id
        WHERE review.trip_id = $1 AND (review.decision IS NULL OR review.decision = 'keep')
        """,
        trip_id,
    )


async def decide(conn: Conn, *, review_id: UUID, decision: str, decided_by: str) -> bool:
    """Write down a person's decision; False when the review is no longer in force."""
    return bool(
        await execute(
            conn,
            """
            UPDATE trip_review
            SET decision = $2, decided_at = clock_timestamp(), decided_by = $3
            WHERE review_id = $1 AND (decision IS NULL OR decision = 'keep')
            """,
            review_id,
            decision,
            decided_by,
        )
    )
