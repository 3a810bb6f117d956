"""Who may do what an operator's staff does: the one place where that is decided."""

from collections.abc import Collection
from uuid import UUID

from kiti.identity.caller import Caller
from kiti.identity.model import Role
from kiti.identity.service import list_grants
from kiti.platform.db import Conn
from kiti.platform.errors import Forbidden


async def require_staff(
    conn: Conn, caller: Caller, *, operator_id: UUID, roles: Collection[Role]
) -> None:
    """Refuse a caller who has none of these roles at this operator; platform_admin has them all.

    Judged by the token, which may be a passenger's only, and by the roles the account has now: a
    role that was taken away ends at once, one at another operator counts for nothing.

    Raises:
        Forbidden.
    """
    caller.require_account()
    caller.require_role(*roles, Role.PLATFORM_ADMIN)
    for grant in await list_grants(conn, caller.id):
        if grant.role == Role.PLATFORM_ADMIN and grant.operator_id is None:
            return
        if grant.role in roles and grant.operator_id == operator_id:
            return
    raise Forbidden
