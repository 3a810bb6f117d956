"""A feed's agencies become operators, found again by the feed's name and the agency's id."""

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from shlex import quote
from typing import Final
from uuid import UUID

from kiti.network.model_places import fold
from kiti.network.rehearsal import find_operator
from kiti.network.service import put_operator
from kiti.platform.db import Conn
from kiti.timetable import store
from kiti.timetable.gtfs.model import Agency, Feed

SALES_CLOSE_MINUTES: Final = 10
_CODE_MAX: Final = 300

# Writes, or for a dry run finds, the operator of this code and name; its id.
PutAgency = Callable[[Conn, str, str, Agency], Awaitable[UUID]]


async def put_agency(conn: Conn, code: str, name: str, agency: Agency) -> UUID:
    """Write an agency as the operator of this code and name; its id."""
    return await put_operator(
        conn,
        code=code,
        name=name,
        timezone=agency.timezone,
        phone=agency.phone,
        sales_close_minutes=SALES_CLOSE_MINUTES,
    )


async def find_agency(conn: Conn, code: str, _name: str, _agency: Agency) -> UUID:
    """What `put_agency` would answer; a made-up id for an operator that is not on file."""
    return await find_operator(conn, code)


async def put_agencies(
    conn: Conn, feed: Feed, route_ids: Sequence[str], feed_name: str, *, put: PutAgency
) -> tuple[dict[str, UUID], list[str]]:
    """The operators of these routes, by agency; and which of them keep another name, in words.

    A ticket names its operator, so another name waits until no passenger counts on the old one.
    """
    ids: dict[str, UUID] = {}
    kept: list[str] = []
    for agency_id in sorted({feed.routes[route_id].agency_id for route_id in route_ids}):
        agency = feed.agencies[agency_id]
        codes = operator_codes(feed_name, agency_id)
        known = await store.find_operator(conn, feed=feed_name, codes=codes)
        code = codes[0] if known is None else known.code
        name = agency.name
        is_other = known is not None and fold(known.name) != fold(name)
        if known and is_other and await store.has_passengers(conn, operator_id=known.operator_id):
            name = known.name
            kept.append(
                f"{name} is called {agency.name} in the feed, but passengers have booked with "
                f"{name}, so that stays; kiti operator rename {quote(code)} {quote(agency.name)}"
            )
        ids[agency_id] = await put(conn, code, name, agency)
    return ids, kept


def operator_codes(feed_name: str, agency_id: str) -> tuple[str, str]:
    """An operator's code, which carries the feed's name, for ids are unique within it.

    The second is how it was made before a colon in a feed's name was told from the one between
    the two: an operator that has it goes on with it.
    """
    escaped = feed_name.replace("%", "%25").replace(":", "%3A")
    code = f"{escaped}:{agency_id}"
    if len(code) > _CODE_MAX:
        digest = hashlib.sha256(code.encode()).hexdigest()
        code = f"{code[: _CODE_MAX - len(digest) - 1]}~{digest}"
    return code, f"{feed_name}:{agency_id}"
