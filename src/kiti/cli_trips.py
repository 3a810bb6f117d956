"""The commands for one trip; thin."""

from collections.abc import Callable
from uuid import UUID

from cyclopts import App

from kiti.app import trips
from kiti.config import Settings


def add_trip_commands(app: App, settings: Callable[[], Settings]) -> None:
    """Add `trip show`, `trip close`, `trip reopen` and `trip cancel`."""
    trip = App(name="trip", help="One trip: its sales, and its end.")
    app.command(trip)

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
