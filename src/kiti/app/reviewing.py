"""`kiti review`: trips that changed after they were booked, and what a person decides of them."""

import json
import sys
from uuid import UUID

from kiti.app.database import on_database
from kiti.config import Settings
from kiti.platform.db import Database
from kiti.timetable.renewal.review import Moved, Review, keep, move, open_reviews


def show(settings: Settings, *, is_json: bool) -> int:
    """Print every trip that waits, with what is different and how many seats are sold."""

    async def work(db: Database) -> list[Review]:
        return [review async for review in open_reviews(db)]

    found = on_database(settings, work)
    if is_json:
        sys.stdout.write(json.dumps({"items": [_to_dict(review) for review in found]}) + "\n")
    elif found:
        sys.stdout.write("".join(map(_text, found)))
        sys.stdout.write(
            "decide each: `kiti review keep TRIP_ID`, `kiti review move TRIP_ID` (times alone), "
            "or `kiti trip cancel TRIP_ID --reason WHY`\n"
        )
    else:
        sys.stdout.write("no trip waits for a decision\n")
    return 0


def keep_trip(settings: Settings, trip_id: UUID, *, by: str) -> int:
    """Let a trip run as it was booked.

    Raises:
        NoSuchTrip, TripCancelled.
        NoSuchReview: it does not wait.
    """
    is_on_sale = on_database(settings, lambda db: keep(db, trip_id=trip_id, by=by))
    sys.stdout.write(f"kept as booked; {_sales(is_on_sale=is_on_sale)}\n")
    return 0


def move_trip(settings: Settings, trip_id: UUID, *, by: str) -> int:
    """Let a trip follow its timetable with its bookings, and name those who must hear of it.

    Raises:
        NoSuchTrip, TripCancelled.
        NoSuchReview: it does not wait.
        MoveImpossible: more than its times would change.
    """

    async def work(db: Database) -> Moved:
        return await move(db, trip_id=trip_id, by=by)

    moved = on_database(settings, work)
    sys.stdout.write(
        f"leaves {moved.new_departure:%Y-%m-%d %H:%M} instead of {moved.departure:%Y-%m-%d %H:%M}; "
        f"{_sales(is_on_sale=moved.is_on_sale)}\n"
    )
    if moved.bookings:
        sys.stdout.write("tell these bookings, for no message goes out by itself:\n")
    for booking in moved.bookings:
        reach = [way for way in (booking.phone, booking.email) if way]
        sys.stdout.write(f"  {'  '.join((booking.reference, *reach))}\n")
    return 0


def _sales(*, is_on_sale: bool) -> str:
    return "on sale again" if is_on_sale else "its sales were closed by hand, and stay closed"


def _text(review: Review) -> str:
    what = review.what if review.new_departure is None else f"now: {review.what}"
    can = "; can move" if review.can_move else ""
    return (
        f"{review.trip_id}  {review.operator_name}, {review.feed} {review.code}\n"
        f"  sold as leaving {review.departure:%Y-%m-%d %H:%M}; {what}{can}\n"
        f"  {review.sold} sold, {review.held} held\n"
    )


def _to_dict(review: Review) -> dict[str, object]:
    new = review.new_departure
    return {
        "tripId": str(review.trip_id),
        "operator": review.operator_name,
        "feed": review.feed,
        "code": review.code,
        "foundAt": review.found_at.isoformat(),
        "departure": review.departure.isoformat(),
        "newDeparture": None if new is None else new.isoformat(),
        "what": review.what,
        "canMove": review.can_move,
        "sold": review.sold,
        "held": review.held,
    }
