"""Seats of trips: stock, holds, bookings, passengers and tickets.

Owns trip_inventory, booking, booking_reference, seat_sold, ticket, booking_contact and passenger.
Its invariants: no two live bookings share a leg of one seat of one trip; taken is the blocked seats
and the masks of live bookings, sold the masks of confirmed ones; a ticket exists for every seat at
the moment its booking reads CONFIRMED. Its states are drawn in docs/states.md.

Lock order: the trip's row, then its bookings. Expiry is true at the instant, by the clock of the
database.
"""
