"""The product, started once for all journeys; each test takes trips of its own."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from feed_make import FILES, make_feed
from product_process import own_folder, running
from shop import Shop

LAYOUT = """\
name: Coach of the journeys
class v: VIP
[Main]
@ . . .
1-2: A B . C D :v
3-12: A B . C D
13: A B C D E!
"""
SETTINGS = {
    "KITI_RATE_LIMITS": "off",
    "FLUTTERWAVE_SECRET_KEY": "FLWSECK_TEST-journeys-X",
    "FLUTTERWAVE_WEBHOOK_SECRET_HASH": "the-hash-of-the-journeys",
    "FLUTTERWAVE_BASE_URL": "http://127.0.0.1:1/v3",
}
# A VIP seat costs more; from Lagos to Lokoja only they are sold.
FARES = """\
from_stop_id,to_stop_id,class,amount
LOS,IBA,STANDARD,300000
LOS,IBA,VIP,500000
LOS,LOK,VIP,900000
LOS,ABV,STANDARD,1000000
LOS,ABV,VIP,1500000
IBA,LOK,STANDARD,500000
IBA,LOK,VIP,700000
IBA,ABV,STANDARD,800000
IBA,ABV,VIP,1200000
LOK,ABV,STANDARD,400000
LOK,ABV,VIP,600000
"""
HOURS = range(6, 18)
LINE = (("LOS", 0), ("IBA", 120), ("LOK", 360), ("ABV", 480))


def small_feed(folder: Path) -> Path:
    """A line over four stops, every hour of every day."""
    stop_times = ["trip_id,stop_sequence,stop_id,arrival_time,departure_time"]
    for hour in HOURS:
        for sequence, (stop, minutes) in enumerate(LINE, start=1):
            clock = f"{hour + minutes // 60:02}:{minutes % 60:02}:00"
            stop_times.append(f"T{hour},{sequence},{stop},{clock},{clock}")
    trips = ["route_id,service_id,trip_id", *(f"R,daily,T{hour}" for hour in HOURS)]
    changes = {
        "calendar.txt": FILES["calendar.txt"].replace("20291231", "20991231"),
        "stops.txt": FILES["stops.txt"] + "LOK,Lokoja,7.8023,6.7333,z4\n",
        "trips.txt": "\n".join(trips) + "\n",
        "stop_times.txt": "\n".join(stop_times) + "\n",
    }
    return make_feed(folder, changes)


@pytest.fixture(scope="session")
async def demo() -> AsyncGenerator[Shop]:
    """What `make run` runs, as it comes: the whole product with its simulated gateways."""
    with own_folder() as folder:
        async with running(folder, "demo") as product:
            yield Shop(product, "Lagos", "Abuja")


@pytest.fixture(scope="session")
async def server() -> AsyncGenerator[Shop]:
    """`kiti serve` alone with two processes: no job runs, so nothing tidies up; no limits.

    Its gateway is out of reach. Its timetable is imported by a second command while it runs.
    """
    with own_folder() as folder:
        layout = folder / "coach.layout"
        layout.write_text(LAYOUT)
        fares = folder / "fares.csv"
        fares.write_text(FARES)
        feed = small_feed(folder)
        command = ("serve", "--workers", "2")
        async with running(folder, *command, **SETTINGS) as product:
            options = ("--layout", layout, "--currency", "NGN", "--fares", fares)
            done = await product.run("import", "gtfs", feed, *options)
            assert done.code == 0, done.err
            yield Shop(product, "Lagos", "Abuja")
