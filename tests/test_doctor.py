"""What `kiti doctor` says of the gateways, and which of them a process has."""

from pathlib import Path

import pytest

from kiti.app.checks import Unwell, _check_gateways
from kiti.app.parts import _gateways
from kiti.app.secrets import with_sandbox
from kiti.config import Settings
from kiti.payments.gateways.flutterwave import gateway_client
from kiti.sandbox import SandboxSettings, serving

NOWHERE = "http://127.0.0.1:9"


async def test_both_gateways_answer(tmp_path: Path) -> None:
    async with serving(SandboxSettings()) as url:
        settings = with_sandbox(Settings(kiti_data_dir=tmp_path), sandbox_url=url)
        assert await _check_gateways(settings) == "flutterwave answers, stripe answers"
    async with gateway_client() as client:
        assert [each.name for each in _gateways(settings, client)] == ["flutterwave", "stripe"]


async def test_one_gateway_is_enough() -> None:
    async with serving(SandboxSettings()) as url:
        settings = Settings(
            stripe_secret_key="sk_test_1",
            stripe_webhook_secret="whsec_1",
            stripe_base_url=f"{url}/stripe",
        )
        assert await _check_gateways(settings) == "stripe answers"
    async with gateway_client() as client:
        assert [each.name for each in _gateways(settings, client)] == ["stripe"]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (Settings(app_env="production"), "none is on: set FLUTTERWAVE_SECRET_KEY or STRIPE"),
        (Settings(stripe_secret_key="sk"), "stripe: set STRIPE_WEBHOOK_SECRET"),
        (
            Settings(stripe_secret_key="sk", stripe_webhook_secret="w", stripe_base_url=NOWHERE),
            "stripe: no answer .* from STRIPE_BASE_URL",
        ),
        (Settings(flutterwave_secret_key="sk"), "set FLUTTERWAVE_WEBHOOK_SECRET_HASH"),
    ],
)
async def test_what_is_wrong_is_named(settings: Settings, says: str) -> None:
    with pytest.raises(Unwell, match=says):
        await _check_gateways(settings)
