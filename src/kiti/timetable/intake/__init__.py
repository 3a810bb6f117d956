"""An operator's spreadsheets become schedules, fares and trips."""
