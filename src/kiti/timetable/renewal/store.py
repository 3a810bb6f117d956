"""SQL of renewals: whose turn a feed is, its trips on file, and what waits for a person."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from kiti.platform.db import Conn, execute, fetch_all, fetch_optional, fetch_value


@dataclass(frozen=True, slots=True)
class Lease:
    """Who has a feed, until when; `is_over` by the database's clock."""

    lease_id: UUID
    leased_until: datetime
    is_over: bool


@dataclass(frozen=True, slots=True)
class There:
    """A trip on file with the state of its sales, and its review that is in force, if any.

    `calls` are its journey's (`network.model.Journey`). `has_left` by the database's clock.
    `was_booked`: a booking may refer to it, live or not. The review's columns are None without one;
    a review of kind `gone` wants nothing, so has no ids.
    """

    trip_id: UUID
    code: str
    service_date: date
    version: int
    operator_id: UUID
    pattern_id: UUID
    calls: str
    layout_id: UUID
    fare_table_id: UUID
    starts_at: datetime
    has_left: bool
    status: str
    closed_by: str | None
    sales_close_at: datetime
    was_booked: bool
    review_id: UUID | None
    review_kind: str | None
    review_decision: str | None
    review_operator_id: UUID | None
    review_calls: str | None
    review_layout_id: UUID | None
    review_starts_at: datetime | None


@dataclass(frozen=True, slots=True)
class OnFile:
    """A trip of one day, to be found again in its source. `path` is its journey's.

    `may_go`: it is for sale, or was sold, and has not left. `is_told`: a person was told already
    that it is listed no more, and bookings of it are left. `is_live`: a seat is held or sold.
    """

    trip_id: UUID
    code: str
    path: str
    starts_at: datetime
    operator_id: UUID
    layout_id: UUID
    is_live: bool
    is_cancelled: bool
    may_go: bool
    is_told: bool


async def take_feed(conn: Conn, *, feed: str, lease_id: UUID, lease_s: float) -> bool:
    """Take the feed's turn unless somebody has it; whether it is ours."""
    return bool(
        await execute(
            conn,
            """
            INSERT INTO feed_turn AS turn (feed, lease_id, leased_until)
            VALUES ($1, $2, clock_timestamp() + make_interval(secs => $3))
            ON CONFLICT (feed) DO UPDATE
              SET lease_id = excluded.lease_id, leased_until = excluded.leased_until
              WHERE turn.leased_until <= clock_timestamp()
            """,
            feed,
            lease_id,
            lease_s,
        )
    )


async def find_lease(conn: Conn, *, feed: str) -> Lease | None:
    """Who has the feed; None when nobody ever had."""
    return await fetch_optional(
        conn,
        Lease,
        """
        SELECT lease_id, leased_until, leased_until <= clock_timestamp() AS is_over
        FROM feed_turn
        WHERE feed = $1
        """,
        feed,
    )


async def renew_feed(conn: Conn, *, feed: str, lease_id: UUID, lease_s: float) -> bool:
    """Let the turn end `lease_s` seconds from now; False when it is no longer ours.

    Locks: the turn, so that what this transaction writes is written in our turn.
    """
    return bool(
        await execute(
            conn,
            """
            UPDATE feed_turn SET leased_until = clock_timestamp() + make_interval(secs => $3)
            WHERE feed = $1 AND lease_id = $2
            """,
            feed,
            lease_id,
            lease_s,
        )
    )


async def leave_feed(conn: Conn, *, feed: str, lease_id: UUID) -> bool:
    """Give the turn back; False when it was no longer ours."""
    return bool(
        await execute(
            conn, "DELETE FROM feed_turn WHERE feed = $1 AND lease_id = $2", feed, lease_id
        )
    )


async def list_there(conn: Conn, *, trip_ids: Sequence[UUID]) -> list[There]:
    """Those of these trips that are on file, as they are now."""
    return await fetch_all(
        conn,
        There,
        """
        SELECT trip.trip_id, trip.code, trip.service_date, trip.version, trip.operator_id,
          trip.pattern_id, journey.calls, trip.layout_id, trip.fare_table_id, trip.starts_at,
          trip.starts_at <= clock_timestamp() AS has_left,
          inv.status, inv.closed_by, inv.sales_close_at, inv.version > 0 AS was_booked,
          review.review_id, review.kind AS review_kind, review.decision AS review_decision,
          review.operator_id AS review_operator_id, reviewed.calls AS review_calls,
          review.layout_id AS review_layout_id, review.starts_at AS review_starts_at
        FROM trip
        JOIN trip_inventory inv ON inv.trip_id = trip.trip_id
        CROSS JOIN LATERAL pattern_journey_1(trip.pattern_id) AS journey
        LEFT JOIN trip_review review ON review.trip_id = trip.trip_id
          AND (review.decision IS NULL OR review.decision = 'keep')
        LEFT JOIN LATERAL pattern_journey_1(review.pattern_id) AS reviewed
          ON review.pattern_id IS NOT NULL
        WHERE trip.trip_id = ANY($1::uuid[])
        """,
        trip_ids,
    )


async def list_on_file(
    conn: Conn, *, feed: str, service_date: date, after_code: str, limit: int
) -> list[OnFile]:
    """The feed's trips of one date, by code from after this one on.

    Not for sale, nor ever sold: those cancelled, and those that an earlier renewal closed for good.
    """
    return await fetch_all(
        conn,
        OnFile,
        """
        SELECT trip.trip_id, trip.code, journey.path, trip.starts_at, trip.operator_id,
          trip.layout_id, bit_count(inv.taken & ~inv.blocked) > 0 AS is_live,
          inv.status = 'cancelled' AS is_cancelled,
          trip.starts_at > clock_timestamp() AND inv.status <> 'cancelled'
            AND (inv.closed_by IS NULL OR inv.closed_by NOT IN ('review', 'hand_and_review')
              OR review.review_id IS NOT NULL) AS may_go,
          coalesce(review.kind = 'gone', false) AS is_told
        FROM trip
        JOIN trip_inventory inv ON inv.trip_id = trip.trip_id
        CROSS JOIN LATERAL pattern_journey_1(trip.pattern_id) AS journey
        LEFT JOIN trip_review review ON review.trip_id = trip.trip_id
          AND (review.decision IS NULL OR review.decision = 'keep')
        WHERE trip.feed = $1 AND trip.service_date = $2 AND trip.code > $3
        ORDER BY trip.code
        LIMIT $4
        """,
        feed,
        service_date,
        after_code,
        limit,
    )


async def has_trips(conn: Conn, *, feed: str, first: date, last: date) -> bool:
    """Whether the feed has any trip from `first` to `last`, both included."""
    return await fetch_value(
        conn,
        """
        SELECT EXISTS (
          SELECT FROM trip WHERE feed = $1 AND service_date BETWEEN $2 AND $3)
        """,
        feed,
        first,
        last,
    )


@dataclass(frozen=True, slots=True)
class NewReview:
    """What a source says of a trip that stays as it was sold; no ids when it lists it no more."""

    review_id: UUID
    trip_id: UUID
    kind: str
    operator_id: UUID | None
    pattern_id: UUID | None
    layout_id: UUID | None
    starts_at: datetime | None
    sales_close_at: datetime | None


async def insert_reviews(conn: Conn, *, reviews: Sequence[NewReview]) -> int:
    """Write down what a person has to decide; a trip has one in force at most. How many."""
    return await execute(
        conn,
        """
        INSERT INTO trip_review (review_id, trip_id, kind, operator_id, pattern_id, layout_id,
          starts_at, sales_close_at, found_at)
        SELECT n.review_id, n.trip_id, n.kind, n.operator_id, n.pattern_id, n.layout_id,
          n.starts_at, n.sales_close_at, clock_timestamp()
        FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::uuid[], $5::uuid[], $6::uuid[],
            $7::timestamptz[], $8::timestamptz[])
          AS n (review_id, trip_id, kind, operator_id, pattern_id, layout_id, starts_at,
            sales_close_at)
        """,
        [review.review_id for review in reviews],
        [review.trip_id for review in reviews],
        [review.kind for review in reviews],
        [review.operator_id for review in reviews],
        [review.pattern_id for review in reviews],
        [review.layout_id for review in reviews],
        [review.starts_at for review in reviews],
        [review.sales_close_at for review in reviews],
    )


async def end_reviews(conn: Conn, *, review_ids: Sequence[UUID], decision: str) -> int:
    """Let reviews be over that the timetable has settled itself; how many."""
    return await execute(
        conn,
        """
        UPDATE trip_review SET decision = $2, decided_at = clock_timestamp()
        WHERE review_id = ANY ($1::uuid[]) AND (decision IS NULL OR decision = 'keep')
        """,
        review_ids,
        decision,
    )
