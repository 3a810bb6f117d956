"""Trips on file are brought in line with their source; what was booked stays as it was booked."""
