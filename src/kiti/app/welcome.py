"""What `make run` prints once everything is up: address, accounts, and calls ready to paste."""

import asyncio
from collections.abc import Sequence
from importlib.resources import files
from typing import Final

import httpx2

from kiti.config import Settings
from kiti.identity.model import Role

LOOK_AGAIN_S: Final = 0.05


async def until_they_answer(urls: Sequence[str]) -> None:
    """Return once each of these addresses has answered 200; whoever waits says for how long."""
    async with httpx2.AsyncClient(trust_env=False, timeout=5.0) as client:
        for url in urls:
            while True:
                if await _is_well(client, url):
                    break
                await asyncio.sleep(LOOK_AGAIN_S)


async def _is_well(client: httpx2.AsyncClient, url: str) -> bool:
    try:
        return (await client.get(url)).is_success
    except httpx2.HTTPError:
        return False


def ready_to_paste(
    settings: Settings,
    *,
    accounts: Sequence[tuple[str, str, Role]],
    password: str,
    route: tuple[str, str],
    date: str,
) -> str:
    """The whole greeting. `route`: what to type for two cities; `date`: a day with trips there."""
    lines = ["", f"Kiti runs on {settings.app_url} (Ctrl-C stops everything)", ""]
    lines += [f"Accounts, all with the password {password}:"]
    lines += [f"  {email:<24} {role.value}" for email, _, role in accounts]
    lines += ["", f"The API is described on {settings.app_url}/docs", "", ""]
    calls = files("kiti.app").joinpath("five_calls.sh").read_text(encoding="utf-8")
    for name, value in {
        "BASE": settings.app_url,
        "JOB_SECRET_KEY": settings.job_secret_key,
        "EMAIL": accounts[0][0],
        "PASSWORD": password,
        "FROM": route[0],
        "TO": route[1],
        "DATE": date,
    }.items():
        calls = calls.replace(f"@{name}@", value)
    return "\n".join(lines) + calls
