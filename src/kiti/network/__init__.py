"""What travels where: operators, cities, stops, routes, layouts, vehicles, patterns and trips.

Tables: operator, city, stop, place_name, layout, vehicle, route, pattern, pattern_call, trip.
Layouts and patterns never change once written (they are found again by their digest), so that
they may be kept in memory; a trip's row may, and counts its `version` up.
"""
