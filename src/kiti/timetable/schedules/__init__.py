"""Departures kept as rules: calendars, holidays, and the trips made ahead of them."""
