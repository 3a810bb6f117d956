"""Single operators: who runs a trip, and the house's share of what they earn."""

from typing import Final
from uuid import UUID

from kiti.network import store_operators as store
from kiti.network.model import NoSuchOperator, NoSuchTrip
from kiti.network.store_operators import Operator
from kiti.platform.db import Conn
from kiti.platform.errors import ValidationFailed

__all__ = ["Operator", "get_operator", "operator_of", "rename_operator", "set_commission"]

PER_MILLE_MAX: Final = 1000
NAME_MAX: Final = 200


async def get_operator(conn: Conn, *, code: str) -> Operator:
    """The operator of this code.

    Raises:
        NoSuchOperator.
    """
    found = await store.find_operator(conn, code=code)
    if found is None:
        raise NoSuchOperator(f"there is no operator {code}")
    return found


async def operator_of(conn: Conn, *, trip_id: UUID) -> Operator:
    """The operator who runs a trip.

    Raises:
        NoSuchTrip.
    """
    found = await store.find_operator_of_trip(conn, trip_id=trip_id)
    if found is None:
        raise NoSuchTrip
    return found


async def rename_operator(conn: Conn, *, operator_id: UUID, name: str) -> None:
    """Give an operator another name, also on tickets that are sold.

    Raises:
        ValidationFailed: it has none of 1 to 200 characters.
        NoSuchOperator.
    """
    name = name.strip()
    if not 0 < len(name) <= NAME_MAX:
        message = f"1 to {NAME_MAX} characters"
        raise ValidationFailed(errors=[{"pointer": "#/name", "message": message}])
    if not await store.update_name(conn, operator_id=operator_id, name=name):
        raise NoSuchOperator


async def set_commission(conn: Conn, *, operator_id: UUID, per_mille: int) -> None:
    """Set the house's share of what an operator earns from now on, in thousandths.

    Raises:
        ValidationFailed: it is none of 0 to 1000.
        NoSuchOperator.
    """
    if not 0 <= per_mille <= PER_MILLE_MAX:
        message = f"thousandths: 0 to {PER_MILLE_MAX}"
        raise ValidationFailed(errors=[{"pointer": "#/commission", "message": message}])
    if not await store.update_commission(conn, operator_id=operator_id, per_mille=per_mille):
        raise NoSuchOperator
