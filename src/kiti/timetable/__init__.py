"""Timetables become trips that can be sold: GTFS feeds, the demo network.

Owns no table: it writes through network, fares and booking. A trip is known by its feed, its code
there and its service date, so every import and every renewal can run again.
"""
