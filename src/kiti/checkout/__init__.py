"""The process across bookings and payments: search, hold, pay, booking; money that comes late.

It knows both `booking` and `payments`; neither of these knows the other.
"""
