"""The command with a real database: the report as text and as JSON, and currencies nobody takes."""

import json
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import pytest

from cluster import Cluster
from feed_make import FILES, make_feed
from kiti.platform.migrate import migrate
from product_process import Ran, environment, run_kiti

Changes = dict[str, str | bytes | None]
# Nobody may board: by the letter there is nothing to sell.
CLOSED: Changes = {
    "stop_times.txt": FILES["stop_times.txt"]
    .replace("departure_time\n", "departure_time,pickup_type\n")
    .replace(":00\n", ":00,1\n")
}
Import = Callable[..., Ran]


@pytest.fixture
async def own_url(cluster: Cluster, worker_id: str) -> AsyncGenerator[str]:
    """A migrated database for these tests."""
    name = f"kiti_import_{worker_id}"
    url = await cluster.create_database(name)
    await migrate(url)
    yield url
    await cluster.drop_database(name)


@pytest.fixture
def import_gtfs(tmp_path: Path, own_url: str) -> Import:
    """Runs an import of the small feed, changed; a dry run unless it `is_real`."""

    def start(
        *options: str, changes: Changes | None = None, is_real: bool = False, **settings: str
    ) -> Ran:
        layout = tmp_path / "coach.layout"
        layout.write_text("name: Small\n[Main]\n1: A B\n")
        feed = make_feed(tmp_path, changes)
        known = environment(tmp_path / "data", DATABASE_URL=own_url, **settings)
        return run_kiti(
            "import", "gtfs", feed, "--layout", layout, "--per-km", "10000", "--minimum", "50000",
            *(() if is_real else ("--dry-run",)), *options,
            cwd=tmp_path, environment=known, typed="",
        )  # fmt: skip

    return start


KEYS = {
    "FLUTTERWAVE_SECRET_KEY": "FLWSECK_TEST-0123456789-X",
    "FLUTTERWAVE_WEBHOOK_SECRET_HASH": "a-hash-of-our-own",
}


def test_a_dry_run_tells_what_is_obeyed_to_the_letter_and_the_way_out(import_gtfs: Import):
    shown = import_gtfs("--currency", "NGN", changes=CLOSED, **KEYS)
    assert (shown.code, shown.err) == (0, "")
    assert "60 run then, 0 are for sale" in shown.out
    assert "-> if people do board there, import with --ignore-pickup-types" in shown.out
    assert "[CURRENCY_NOT_PAYABLE]" not in shown.out


def test_a_dry_run_tells_its_plan_as_json_and_what_nobody_here_can_pay(import_gtfs: Import):
    options = ("--currency", "JPY", "--ignore-pickup-types", "--json")
    told = import_gtfs(*options, changes=CLOSED, **KEYS)
    assert (told.code, told.err) == (0, "")
    data = json.loads(told.out)
    assert (data["dryRun"], data["trips"]["planned"]) == (True, 60)
    assert {one["code"] for one in data["findings"]} == {
        "PICKUP_TYPES_IGNORED", "CURRENCY_NOT_PAYABLE",
    }  # fmt: skip
    assert data["routes"][0]["fare"].startswith("Lagos to Abuja ")


def test_what_a_real_run_refuses_a_dry_run_refuses_too_and_both_end_with_one(
    import_gtfs: Import,
):
    first = import_gtfs("--currency", "NGN", "--feed", "lines", is_real=True)
    assert (first.code, first.err) == (0, "")
    told = import_gtfs("--currency", "NGN")
    done = import_gtfs("--currency", "NGN", is_real=True)
    for ran in (told, done):
        assert ran.code == 1
        assert "60 trips of Kiti Lines are on file under the feed lines" in ran.out
    assert import_gtfs("--currency", "NGN", "--feed", "feed").code == 0
