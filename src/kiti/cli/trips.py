"""The commands for trips: which there are, their sales, their end, decisions; thin."""

from datetime import date
from typing import Annotated

from cyclopts import App, Parameter, validators

from kiti.app import reviewing, trips
from kiti.booking.listing import LISTED_MAX
from kiti.cli.options import AsJson, TripId, Who, settings

trip = App(name="trip")
review = App(name="review")


@trip.command(name="list")
def list_trips(
    *,
    operator: str | None = None,
    feed: str | None = None,
    on: Annotated[date | None, Parameter(name="--date")] = None,
    limit: Annotated[int, Parameter(validator=validators.Number(gte=1, lte=LISTED_MAX - 1))] = 50,
) -> int:
    """List trips by departure, with their ids: those ahead, or all of a date.

    Parameters
    ----------
    operator
        An operator's code.
    feed
        The feed they came from.
    on
        A service date.
    limit
        How many.
    """
    return trips.show_all(settings(), operator=operator, feed=feed, on=on, limit=limit)


@trip.command
def show(trip: TripId) -> int:
    """Show how a trip stands: its sales, its bookings, its cancellation."""
    return trips.show(settings(), trip)


@trip.command
def close(trip: TripId) -> int:
    """Take no new bookings of a trip; those there are stay."""
    return trips.close(settings(), trip)


@trip.command
def reopen(trip: TripId) -> int:
    """Sell a trip again that a person has closed."""
    return trips.reopen(settings(), trip)


@trip.command
def cancel(trip: TripId, *, reason: str) -> int:
    """Cancel a trip for good: every booking of it ends, and all that was paid goes back.

    Parameters
    ----------
    trip
        Its id.
    reason
        Why, as its passengers may be told.
    """
    return trips.cancel(settings(), trip, reason=reason)


@review.default
def show_reviews(*, json: AsJson = False) -> int:
    """List the trips that wait for a decision: as booked, as the timetable has them now."""
    return reviewing.show(settings(), is_json=json)


@review.command(name="keep")
def keep_trip(trip: TripId, *, by: Who = "command line") -> int:
    """Let a trip run as it was booked, and sell it again.

    Parameters
    ----------
    trip
        Its id.
    by
        Who decided, for the record.
    """
    return reviewing.keep_trip(settings(), trip, by=by)


@review.command(name="move")
def move_trip(trip: TripId, *, by: Who = "command line") -> int:
    """Let a trip follow its timetable to other times, with all its bookings.

    Parameters
    ----------
    trip
        Its id.
    by
        Who decided, for the record.
    """
    return reviewing.move_trip(settings(), trip, by=by)
