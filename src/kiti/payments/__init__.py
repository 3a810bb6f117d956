"""Money in and back out: attempts to pay, what was received, refunds, what gateways tell us.

Owns payment, payment_receipt, refund, dispute and webhook_event. A payment is one attempt, known
to the gateway by our reference, which is committed before the gateway hears of it. Its event is
a hint: it is kept, and then the gateway is asked; only its answer moves a payment
(`gateways/port.py`). An unknown outcome is a state, not a failure. What is received and does not
pay for a booking goes back by itself.

Invariants: at most one open attempt a booking; one receipt for each of a gateway's transactions;
the refunds of a receipt never exceed it; each part of a receipt is either used or owed back. The
states of payments and refunds are drawn in docs/states.md. Knows no booking but by its id.
"""
