import asyncio
from uuid import UUID

import pytest
from asyncpg import CheckViolationError

from kiti.network.model import NewStop
from kiti.network.model_places import Place, PlaceKey, PlaceNames
from kiti.network.places import list_places, put_names
from kiti.network.service import put_city, put_stop
from kiti.platform.db import Conn, Database
from kiti.platform.ids import new_id


async def make_network(conn: Conn) -> dict[str, UUID]:
    lagos = await put_city(
        conn, name="Lagos", country="NG", timezone="Africa/Lagos", aliases=["Eko"]
    )
    lome = await put_city(conn, name="Lomé", country="TG", timezone="Africa/Lome")
    new_york = await put_city(conn, name="New Lagoon", country="NG", timezone="Africa/Lagos")
    stops = {
        "jibowu": NewStop("t", "1", "Jibowu Terminal", "Africa/Lagos", city_id=lagos),
        "lagos road": NewStop("t", "2", "Lagos Road", "Africa/Lagos"),
        "old lagos": NewStop("t", "3", "Old Lagos Road", "Africa/Lagos", aliases=("Lagbus",)),
    }
    ids = {name: await put_stop(conn, stop) for name, stop in stops.items()}
    return ids | {"Lagos": lagos, "Lomé": lome, "New Lagoon": new_york}


async def names(conn: Conn, q: str) -> list[str]:
    return [place.name for place in await list_places(conn, q=q, after=None, limit=50)]


async def test_cities_come_first_and_a_name_before_a_later_word(db: Database):
    async with db.transaction() as conn:
        await make_network(conn)

        found = await names(conn, "lag")

    assert found == ["Lagos", "New Lagoon", "Old Lagos Road", "Lagos Road"]


async def test_marks_case_and_aliases_do_not_matter(db: Database):
    async with db.transaction() as conn:
        await make_network(conn)

        assert await names(conn, "LOME") == ["Lomé"]
        assert await names(conn, "lomé") == ["Lomé"]
        assert await names(conn, "ekô") == ["Lagos"]
        assert await names(conn, "  lagos   r") == ["Lagos Road", "Old Lagos Road"]
        assert await names(conn, "lagosr") == ["Lagos", "Lagos Road", "Old Lagos Road"]


async def test_a_place_says_its_city_country_and_zone(db: Database):
    async with db.transaction() as conn:
        ids = await make_network(conn)

        [stop] = await list_places(conn, q="jibowu", after=None, limit=5)
        [city] = await list_places(conn, q="eko", after=None, limit=5)
        lone = (await list_places(conn, q="lagos road", after=None, limit=5))[0]

    assert (stop.kind, stop.place_id) == ("STOP", ids["jibowu"])
    assert (stop.city, stop.country, stop.timezone) == ("Lagos", "NG", "Africa/Lagos")
    assert (city.kind, city.place_id) == ("CITY", ids["Lagos"])
    assert (city.city, city.country) == ("Lagos", "NG")
    assert (lone.city, lone.country, lone.timezone) == (None, None, "Africa/Lagos")


@pytest.mark.parametrize("q", ["", " ", "l", " l ", "%%", "__", "\0", "é", "-l-"])
async def test_fewer_than_two_letters_find_nothing(db: Database, q: str):
    async with db.transaction() as conn:
        await make_network(conn)

        assert await names(conn, q) == []


@pytest.mark.parametrize("q", ["l%s", "l__os", "lagos'; DROP TABLE stop; --", "\U0010ffff" * 2])
async def test_a_pattern_or_a_statement_is_only_text(db: Database, q: str):
    async with db.transaction() as conn:
        await make_network(conn)

        assert await names(conn, q) == []
        assert "Lagos" in await names(conn, "lag")


async def test_pages_go_on_after_a_key_and_miss_nothing(db: Database):
    async with db.transaction() as conn:
        for number in range(25):
            kind = "aa" if number % 2 else "old aa"
            await put_stop(conn, NewStop("t", str(number), f"{kind} {number % 7}", "UTC"))
        await put_city(conn, name="Aa", country="NG", timezone="UTC", aliases=["aab", "b aa"])
        together = await list_places(conn, q="aa", after=None, limit=100)

        paged: list[Place] = []
        after: PlaceKey | None = None
        while page := await list_places(conn, q="aa", after=after, limit=4):
            paged += page
            after = page[-1].key

    assert len(together) == 26
    assert [place.place_id for place in paged] == [place.place_id for place in together]
    assert len({place.place_id for place in paged}) == 26


async def test_new_names_take_the_place_of_the_old(db: Database):
    async with db.transaction() as conn:
        ids = await make_network(conn)
        await put_names(conn, [PlaceNames(ids["Lagos"], "CITY", ("Lagos", "Las Gidi"))])

        assert await names(conn, "eko") == []
        assert await names(conn, "gidi") == ["Lagos"]


async def test_a_name_without_letters_or_too_long_is_no_fault(db: Database):
    words = " ".join(f"w{number}" for number in range(200))
    async with db.transaction() as conn:
        await put_names(conn, [PlaceNames(new_id(), "STOP", ("???", words, "x" * 300))])
        count = await conn.fetchval("SELECT count(*) FROM place_name")

    assert count == 17


async def test_two_writers_of_the_same_names_do_not_clash(live_db: Database):
    place_id = new_id()
    gate = asyncio.Barrier(4)

    async def write() -> None:
        await gate.wait()
        async with live_db.transaction() as conn:
            await put_names(conn, [PlaceNames(place_id, "STOP", ("Central bus station",))])

    await asyncio.gather(*(write() for _ in range(4)))

    async with live_db.connection() as conn:
        rows = await conn.fetch("SELECT folded, word FROM place_name ORDER BY word")
    assert [tuple(row) for row in rows] == [
        ("central bus station", 0),
        ("bus station", 1),
        ("station", 2),
    ]


async def test_the_schema_refuses_an_empty_name(db: Database):
    with pytest.raises(CheckViolationError, match="place_name_folded_check"):
        async with db.transaction() as conn:
            await conn.execute(
                "INSERT INTO place_name (place_id, kind, folded, word) VALUES ($1, 'CITY', '', 0)",
                new_id(),
            )


async def test_the_index_serves_a_prefix_whatever_the_plan(live_db: Database):
    async with live_db.connection() as conn:
        await conn.execute(
            """
            INSERT INTO place_name (place_id, kind, folded, word)
            SELECT gen_random_uuid(), 'STOP', md5(n::text), 0 FROM generate_series(1, 20000) AS n
            """
        )
        await conn.execute("ANALYZE place_name")
        await conn.execute("SET plan_cache_mode = force_generic_plan")
        await conn.execute(
            "PREPARE find (text, text) AS SELECT place_id FROM place_name"
            " WHERE folded ~>=~ $1 AND folded ~<~ $2"
        )
        plan = await conn.fetch("EXPLAIN EXECUTE find ('abc', 'abd')")
        await conn.execute("DEALLOCATE find")
        await conn.execute("RESET plan_cache_mode")

    text = "\n".join(row[0] for row in plan)
    assert "place_name_folded" in text
