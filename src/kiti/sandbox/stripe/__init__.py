"""Stripe, simulated: Checkout, payment intents, refunds, disputes, balance, payouts, events.

With its idempotency, form-encoded bodies, errors and signed webhooks. Source: docs.stripe.com/api
as the official SDK of API 2026-10-28 knows it; where that is silent a comment says so.
"""
