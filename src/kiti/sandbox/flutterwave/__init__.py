"""Flutterwave v3, simulated: Standard checkout, verify, refunds, settlements, chargebacks.

Source: the gateway's own documentation of v3 and the samples of its official Node SDK. Where these
are silent (the wording of a few refusals) the sandbox says so in a comment.
"""
