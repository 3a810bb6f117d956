"""The simulated gateways: a program of its own that speaks the gateways' wire over real HTTP.

It imports nothing of the product, so the product meets it as it meets the real companies: by base
URL alone. One package a gateway beside the shared core: clock, faults, delivery of webhooks,
control. State is in memory and ends with the process. No money moves here.
"""

from kiti.sandbox.server import create_app, run, serving
from kiti.sandbox.settings import SandboxSettings, load_sandbox_settings

__all__ = ["SandboxSettings", "create_app", "load_sandbox_settings", "run", "serving"]
