"""Names with a letter wrong, and which of like names comes first."""

from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiti.network.model import NewStop
from kiti.network.model_places import Place, edits_max, misspelt
from kiti.network.places import list_places
from kiti.network.popular import measure_network
from kiti.network.service import put_city, put_stop
from kiti.platform.clock import utc_now
from kiti.platform.db import Conn, Database, fetch_value
from make import make_calls, make_trip

CITIES = [
    "Lagos",
    "Nairobi",
    "Accra",
    "Ibadan",
    "Mombasa",
    "Kumasi",
    "Abuja",
    "Dar es Salaam",
    "Port Harcourt",
    "Lomé",
    "N'Djamena",
    "Johannesburg",
]


async def make_cities(conn: Conn) -> None:
    for name in CITIES:
        aliases = ["Eko"] if name == "Lagos" else []
        await put_city(conn, name=name, country="NG", timezone="UTC", aliases=aliases)


async def names(conn: Conn, q: str, limit: int = 50) -> list[str]:
    return [place.name for place in await list_places(conn, q=q, after=None, limit=limit)]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("Nairoby", "Nairobi"),
        ("nairboi", "Nairobi"),
        ("nirobi", "Nairobi"),
        ("nairobbi", "Nairobi"),
        ("Acra", "Accra"),
        ("accar", "Accra"),
        ("Akcra", "Accra"),
        ("Ibaden", "Ibadan"),
        ("iabdan", "Ibadan"),
        ("Mombassa", "Mombasa"),
        ("Mombsa", "Mombasa"),
        ("lgos", "Lagos"),
        ("lagso", "Lagos"),
        ("kumassi", "Kumasi"),
        ("abudja", "Abuja"),
        ("daressalaam", "Dar es Salaam"),
        ("dar es salam", "Dar es Salaam"),
        ("salam", "Dar es Salaam"),
        ("portharcourt", "Port Harcourt"),
        ("harcort", "Port Harcourt"),
        ("lommé", "Lomé"),
        ("ndjamina", "N'Djamena"),
        ("johanesbourg", "Johannesburg"),
        ("Nairb", "Nairobi"),
    ],
)
async def test_a_letter_wrong_still_finds_the_city(db: Database, typed: str, meant: str):
    async with db.transaction() as conn:
        await make_cities(conn)

        assert await names(conn, typed) == [meant]


@pytest.mark.parametrize(
    "typed",
    ["lo", "ek", "ako", "xyzw", "abcdefgh", "nnrbbi", "  q  ", "magos", "airobi", "naix"],
)
async def test_few_letters_or_too_many_wrong_find_nothing(db: Database, typed: str):
    async with db.transaction() as conn:
        await make_cities(conn)
        found = await names(conn, typed)

    assert found == (["Lomé"] if typed == "lo" else ["Lagos"] if typed == "ek" else [])


async def test_digits_are_never_mistaken(db: Database):
    async with db.transaction() as conn:
        for number in (12, 13, 130):
            await put_stop(conn, NewStop("t", f"{number}", f"Junction {number}", "UTC"))

        assert await names(conn, "juncton 13") == ["Junction 13", "Junction 130"]
        assert await names(conn, "junction 14") == []


async def test_where_a_city_begins_so_none_is_guessed(db: Database):
    async with db.transaction() as conn:
        await make_cities(conn)
        await put_city(conn, name="Abujo", country="NG", timezone="UTC")
        await put_stop(conn, NewStop("t", "1", "Mombassa Road", "UTC"))
        await put_stop(conn, NewStop("t", "2", "Mombasa Rd", "UTC"))

        assert await names(conn, "abuja") == ["Abuja"]
        # No city begins so, one nearly does; a stop does, so no stop is guessed.
        assert await names(conn, "mombassa") == ["Mombassa Road", "Mombasa"]
        assert await names(conn, "mombaasa") == ["Mombasa", "Mombasa Rd", "Mombassa Road"]


@pytest.mark.parametrize("stop", ["Bonn", "Köln", "Yaba", "Alaba", "Dar Bridge", "Old Lagoss"])
async def test_no_guess_comes_before_a_true_match(db: Database, stop: str):
    async with db.transaction() as conn:
        await make_cities(conn)
        await put_city(conn, name="Malaba", country="KE", timezone="UTC")
        for name, alias in (("Tanga", "Bongo"), ("Mvita", "Kongowea"), ("Arusha", "Ya Afrika")):
            await put_city(conn, name=name, country="TZ", timezone="UTC", aliases=[alias])
        await put_stop(conn, NewStop("t", "1", f"{stop} Hbf", "UTC"))
        typed = stop.rsplit(maxsplit=1)[-1]

        assert await names(conn, typed, limit=1) == [f"{stop} Hbf"]
        if typed != "Lagoss":
            assert await names(conn, typed) == [f"{stop} Hbf"]
        else:
            assert await names(conn, typed) == [f"{stop} Hbf", "Lagos"]


async def test_pages_of_guesses_and_hits_join_to_the_whole(db: Database):
    async with db.transaction() as conn:
        await make_cities(conn)
        for number in range(5):
            await put_city(conn, name=f"Mombaso {number}", country="KE", timezone="UTC")
            await put_stop(conn, NewStop("t", f"{number}", f"Mombassa {number}", "UTC"))
        for q in ("mombassa", "mombasaa", "mombass"):
            whole = await list_places(conn, q=q, after=None, limit=100)
            paged: list[Place] = []
            while page := await list_places(
                conn, q=q, after=paged[-1].key if paged else None, limit=2
            ):
                paged += page
            assert [place.place_id for place in paged] == [place.place_id for place in whole]
            assert len(whole) >= 6
            order = [(place.edits > 0, place.kind) for place in whole]
            assert order == sorted(order)


async def test_the_busier_of_like_names_comes_first(db: Database):
    soon = utc_now() + timedelta(hours=5)
    async with db.transaction() as conn:
        cities = {
            name: await put_city(conn, name=name, country="NG", timezone="UTC")
            for name in ("Ogba", "Ogbomoso", "Ogoja")
        }
        stops = {
            name: await put_stop(conn, NewStop("t", name, f"{name} park", "UTC", city_id=city_id))
            for name, city_id in cities.items()
        }
        calls = make_calls([stops["Ogbomoso"], stops["Ogoja"]])
        for hours in range(3):
            await make_trip(conn, calls=calls, starts_at=soon + timedelta(hours=hours))
        await make_trip(conn, calls=make_calls([stops["Ogoja"], stops["Ogbomoso"]]), starts_at=soon)
        await make_trip(conn, calls=make_calls(list(stops.values())[::2]), starts_at=soon)
        assert await names(conn, "og", limit=3) == ["Ogba", "Ogbomoso", "Ogoja"]
    await measure_network(db)
    async with db.transaction() as conn:
        # 4, 5 and 1 trips: of 4 and 5 the level is the same, so the name decides.
        assert await names(conn, "og") == [
            *("Ogbomoso", "Ogoja", "Ogba"),
            *("Ogbomoso park", "Ogoja park", "Ogba park"),
        ]
        pages = [(await list_places(conn, q="og", after=None, limit=1))[0]]
        while page := await list_places(conn, q="og", after=pages[-1].key, limit=1):
            pages += page
        assert [place.name for place in pages] == await names(conn, "og")
        await conn.execute("UPDATE trip SET starts_at = starts_at - interval '30 days'")
    await measure_network(db)
    async with db.transaction() as conn:
        assert await fetch_value(conn, "SELECT count(*) FROM place_traffic") == 0
        assert await names(conn, "og", limit=3) == ["Ogba", "Ogbomoso", "Ogoja"]


def place(folded: str) -> Place:
    return Place(UUID(int=1), "CITY", folded, None, None, "UTC", None, 0, 0, 0, folded)


LETTERS = st.text("abcdefghij", min_size=4, max_size=14)


@given(name=LETTERS, rest=st.sampled_from(["", "xyz", " xyz"]), data=st.data())
def test_any_one_slip_is_forgiven(name: str, rest: str, data: st.DataObject):
    at = data.draw(st.integers(0, len(name) - 1))
    slips = {
        "left out": name[:at] + name[at + 1 :],
        "put in": name[:at] + "q" + name[at:],
        "another": name[:at] + "q" + name[at + 1 :],
        "changed places": name[:at] + name[at : at + 2][::-1] + name[at + 2 :],
    }
    typed = slips[data.draw(st.sampled_from(sorted(slips)))]
    found = misspelt(place(name + rest), typed)

    is_other_start = edits_max(typed) == 1 and typed[0] != name[0]
    is_too_short = len(typed) == 4 and rest == "xyz"
    assert (found is not None) or edits_max(typed) == 0 or is_other_start or is_too_short
    assert found is None or found.edits % 10 <= 1


@given(typed=LETTERS, name=LETTERS)
def test_edits_are_those_of_the_whole_table(typed: str, name: str):
    """Against the plain definition, every cell of the table filled in."""
    cells = {(0, to): to for to in range(len(name) + 1)}
    for at in range(1, len(typed) + 1):
        cells[at, 0] = at
        for to in range(1, len(name) + 1):
            differs = typed[at - 1] != name[to - 1]
            ways = [
                cells[at - 1, to] + 1,
                cells[at, to - 1] + 1,
                cells[at - 1, to - 1] + differs,
            ]
            if at > 1 and to > 1 and typed[at - 2 : at] == name[to - 2 : to][::-1]:
                ways.append(cells[at - 2, to - 2] + differs)
            cells[at, to] = min(ways)
    most = edits_max(typed)
    ends = [cells[len(typed), to] for to in range(len(name) + 1)]
    whole = [ends[-1]] if ends[-1] <= most else []
    parts = [end + 10 for end in ends[:-1] if end <= most and len(typed) > 4]
    if most == 1 and typed[0] != name[0]:
        whole = parts = []

    found = misspelt(place(name), typed)

    assert (None if found is None else found.edits) == min(whole + parts, default=None)


@pytest.mark.parametrize("kind", ["CITY", "STOP"])
async def test_the_index_serves_whatever_the_plan(live_db: Database, kind: str):
    async with live_db.connection() as conn:
        await conn.execute(
            """
            INSERT INTO place_name (place_id, kind, folded, word)
            SELECT gen_random_uuid(), $1, md5(n::text), 0 FROM generate_series(1, 20000) AS n
            """,
            kind,
        )
        for analyze in ("SELECT 1", "ANALYZE place_name"):
            await conn.execute(analyze)
            await conn.execute("SET plan_cache_mode = force_generic_plan")
            await conn.execute(
                "PREPARE alike (text) AS SELECT place_id FROM place_name"
                f" WHERE word = 0 AND kind = '{kind}' ORDER BY folded <->> $1 LIMIT 20"
            )
            plan = await conn.fetch("EXPLAIN EXECUTE alike ('abc')")
            await conn.execute("DEALLOCATE alike")
            await conn.execute("RESET plan_cache_mode")
            assert f"place_name_{kind.lower()}_trigrams" in "\n".join(row[0] for row in plan)


async def test_a_place_that_is_new_is_found_at_once(db: Database):
    async with db.transaction() as conn:
        await make_cities(conn)
        assert await names(conn, "maidugri") == []
        await put_city(conn, name="Maiduguri", country="NG", timezone="UTC")
        assert await names(conn, "maidugri") == ["Maiduguri"]
