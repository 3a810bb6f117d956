"""Timetables become trips that can be sold: GTFS feeds, spreadsheets, schedules, the demo network.

`gtfs` reads feeds and `sheets` reads spreadsheets; `intake` makes these `schedules`; `renewal`
brings the trips on file in line with whichever source, and never moves what was booked.

Owns service_calendar, calendar_exception, holiday, schedule_feed and schedule (timetables as
rules), and what renewal keeps: feed_turn, trip_former and trip_review. Else it writes through
network, fares and booking. A trip is known by its feed, its code there and its service date, so
every import and every renewal can run again.
"""
