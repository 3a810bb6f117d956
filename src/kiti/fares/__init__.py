"""The price of a segment: fare tables by pair of stops, by kilometre, by class and passenger type.

Tables: fare_table, fare, fare_share. A table never changes once written: other prices are another
table, found by its digest, so that what was read once may be kept.
"""
