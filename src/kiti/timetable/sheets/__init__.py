"""Spreadsheets of clerks: CSV and XLSX read within bounds into timetables and fares.

What cannot be read is a mistake with file, sheet and cell; several are told at once.
"""
