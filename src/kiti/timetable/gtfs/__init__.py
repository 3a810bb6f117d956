"""Reads GTFS feeds: pure, without a database. A file becomes a `Feed` and remarks in a `Report`.

A row that cannot be used is left out and counted; only a file that is no feed at all is refused.
"""
