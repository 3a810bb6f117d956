"""Kiti sells seats on buses, ferries and trains: search, hold, pay, travel, settle."""
