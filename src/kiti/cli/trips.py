"""The commands for one trip: its sales, its end, and what a person decides of it; thin."""

from uuid import UUID

from cyclopts import App

from kiti.app import reviewing, trips
from kiti.cli.options import AsJson, Who, settings

trip = App(name="trip", help="One trip: its sales, and its end.")
review = App(name="review", help="Trips that changed after somebody had booked them.")


@trip.command
def show(trip: UUID) -> int:
    """Show how a trip stands: its sales, its bookings, its cancellation."""
    return trips.show(settings(), trip)


@trip.command
def close(trip: UUID) -> int:
    """Take no new bookings of a trip; those there are stay."""
    return trips.close(settings(), trip)


@trip.command
def reopen(trip: UUID) -> int:
    """Sell a trip again that a person has closed."""
    return trips.reopen(settings(), trip)


@trip.command
def cancel(trip: UUID, *, reason: str) -> int:
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
def keep_trip(trip: UUID, *, by: Who = "command line") -> int:
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
def move_trip(trip: UUID, *, by: Who = "command line") -> int:
    """Let a trip follow its timetable to other times, with all its bookings.

    Parameters
    ----------
    trip
        Its id.
    by
        Who decided, for the record.
    """
    return reviewing.move_trip(settings(), trip, by=by)
