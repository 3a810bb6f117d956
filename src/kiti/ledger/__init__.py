"""The books: every movement of money as a double entry, append only, per currency.

Owns ledger_entry, ledger_posting and ledger_balance. Whoever records that money moved posts the
entry in the same transaction (`service.post`); `postings.py` has the pattern of each event. An
entry is known by what caused it (source and purpose), so that posting it again does nothing. Knows
no booking, payment or operator but by its id.

Invariants: an entry sums to zero and has one currency; nothing is edited or deleted, only
reversed; what is owed to somebody never falls below zero.
"""
