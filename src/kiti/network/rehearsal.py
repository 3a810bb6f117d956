"""What `service.put_…` would answer, for a dry run: the ids on file, and made-up ones for the rest.

Nothing is written, so a made-up id is worth nothing but for telling that it is not on file.
"""

from collections.abc import Sequence
from uuid import UUID

from kiti.network import store, store_trips
from kiti.network.model import NewPattern
from kiti.network.service import BATCH, layout_as_kept, pattern_digest
from kiti.platform.db import Conn
from kiti.platform.ids import new_id


async def find_layout(conn: Conn, text: str) -> UUID:
    """The id of the layout with this text."""
    _, sha256 = layout_as_kept(text)
    return await store.find_layout_id(conn, sha256=sha256) or new_id()


async def find_operator(conn: Conn, code: str) -> UUID:
    """The id of the operator of this code."""
    return await store.find_operator_id(conn, code=code) or new_id()


async def find_route(conn: Conn, feed: str, code: str) -> UUID:
    """The id of the feed's route of this code."""
    return await store.find_route_id(conn, feed=feed, code=code) or new_id()


async def find_patterns(conn: Conn, patterns: Sequence[NewPattern]) -> list[UUID]:
    """The ids of these patterns, in the same order."""
    keys = [(pattern.route_id, pattern_digest(pattern.calls)) for pattern in patterns]
    ids = {key: new_id() for key in keys}
    wanted = list(ids)
    for at in range(0, len(wanted), BATCH):
        batch = wanted[at : at + BATCH]
        found = await store_trips.list_patterns(
            conn, route_ids=[key[0] for key in batch], digests=[key[1] for key in batch]
        )
        ids |= {(row.route_id, row.digest): row.pattern_id for row in found}
    return [ids[key] for key in keys]
