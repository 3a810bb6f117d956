"""What every slice stands on: database, clock, refusals, money, ids, idempotency, logs.

Knows no word of the field.
"""
