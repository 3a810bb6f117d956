"""The demo network as its files tell it: places, operators, routes, fares, layouts."""

import csv
import re
import tomllib
from collections.abc import Mapping
from importlib.abc import Traversable
from importlib.resources import files
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from kiti.fares.refund_policy import Rule

_WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY: Final = f"(?:{'|'.join(_WEEKDAYS)})"
_DEPARTURE: Final = re.compile(rf"(?:({_DAY}(?:,{_DAY})*) )?([01]\d|2[0-3]):([0-5]\d) ([a-z0-9-]+)")

Place = tuple[float, float]


class Model(BaseModel):
    """A part of the files: nothing unknown in it, nothing changed after."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class DemoStop(Model):
    """A terminal. `at` is latitude and longitude."""

    code: str
    name: str
    at: Place
    landmark: str
    aliases: tuple[str, ...] = ()


class DemoCity(Model):
    """A city, the other names people give it, and its terminals."""

    name: str
    country: str
    timezone: str
    at: Place
    aliases: tuple[str, ...] = ()
    stops: tuple[DemoStop, ...]


class DemoVehicle(Model):
    """A vehicle by its plate (a ship by its name)."""

    plate: str
    layout: str


class DemoOperator(Model):
    """A company that runs trips. `refunds`: the rules it gives money back by; none: the default."""

    code: str
    name: str
    timezone: str
    phone: str
    sales_close_minutes: int
    vehicles: tuple[DemoVehicle, ...]
    refunds: tuple[Rule, ...] = ()


class DemoCall(Model):
    """A stop on the way, in minutes from the start of the route."""

    stop: str
    arrival: int
    halt: int
    use: Literal["both", "pickup", "drop"] = "both"

    @classmethod
    def of(cls, cells: list[object]) -> Self:
        """From `[stop, arrival, halt]` or `[stop, arrival, halt, use]`."""
        return cls.model_validate(dict(zip(cls.model_fields, cells, strict=False)))

    def turned(self, end: int) -> "DemoCall":
        """The same call on the way back, `end` being the minutes of the whole way."""
        turned = {"both": "both", "pickup": "drop", "drop": "pickup"}[self.use]
        arrival = end - self.arrival - self.halt
        return self.model_copy(update={"arrival": arrival, "use": turned})


class DemoDeparture(Model):
    """A time of day in minutes, on the clock of the first stop, with the layout that runs then."""

    minute: int
    layout: str
    weekdays: frozenset[int] = frozenset(range(7))

    @classmethod
    def of(cls, text: str) -> Self:
        """From `07:30 coach-51` or `fri,sun 07:30 coach-51`."""
        found = _DEPARTURE.fullmatch(text)
        if found is None:
            raise ValueError(f"no departure: {text!r}")
        days, hours, minutes, layout = found.groups()
        weekdays = days.split(",") if days else _WEEKDAYS
        return cls(
            minute=int(hours) * 60 + int(minutes),
            layout=layout,
            weekdays=frozenset(_WEEKDAYS.index(day) for day in weekdays),
        )


Calls = tuple[Annotated[DemoCall, BeforeValidator(DemoCall.of)], ...]
Departures = tuple[Annotated[DemoDeparture, BeforeValidator(DemoDeparture.of)], ...]


class DemoRoute(Model):
    """A line in both directions: the way back calls at the same stops, turned round."""

    code: str
    operator: str
    name: str
    mode: Literal["BUS", "FERRY", "RAIL"]
    fares: str
    calls: Calls
    out: Departures
    back: Departures

    @property
    def calls_back(self) -> Calls:
        """The calls of the way back."""
        end = self.calls[-1].arrival
        return tuple(call.turned(end) for call in reversed(self.calls))


class DemoFares(Model):
    """Currency and shares of a fare table; `matrix` is the adult standard fare of each pair."""

    code: str
    currency: str
    classes: Mapping[str, int] = Field(default_factory=dict)
    types: Mapping[str, int] = Field(default_factory=dict)
    matrix: Mapping[tuple[str, str], int] = Field(default_factory=dict)


class DemoNetwork(Model):
    """All of it; `layouts` are texts by name."""

    cities: tuple[DemoCity, ...]
    operators: tuple[DemoOperator, ...]
    routes: tuple[DemoRoute, ...]
    fares: tuple[DemoFares, ...]
    layouts: Mapping[str, str]


def read_network() -> DemoNetwork:
    """The network of the files beside this module."""
    folder = files("kiti.timetable.demo")
    data = folder.joinpath("data")
    matrices = _read_matrices(data.joinpath("fares.csv"))
    fares = [
        table | {"matrix": matrices[str(table["code"])]}
        for table in _read_toml(data.joinpath("fares.toml"), "fares")
    ]
    layouts = {
        item.name.removesuffix(".layout"): item.read_text(encoding="utf-8")
        for item in folder.joinpath("layouts").iterdir()
        if item.name.endswith(".layout")
    }
    return DemoNetwork.model_validate(
        {
            "cities": _read_toml(data.joinpath("places.toml"), "city"),
            "operators": _read_toml(data.joinpath("operators.toml"), "operator"),
            "routes": _read_toml(data.joinpath("routes.toml"), "route"),
            "fares": fares,
            "layouts": layouts,
        }
    )


def _read_toml(path: Traversable, table: str) -> list[dict[str, object]]:
    return tomllib.loads(path.read_text(encoding="utf-8"))[table]


def _read_matrices(path: Traversable) -> dict[str, dict[tuple[str, str], int]]:
    """By table: amounts in minor units; a fare holds in both directions."""
    out: dict[str, dict[tuple[str, str], int]] = {}
    for row in csv.DictReader(path.read_text(encoding="utf-8").splitlines()):
        matrix = out.setdefault(row["table"], {})
        for pair in ((row["from"], row["to"]), (row["to"], row["from"])):
            matrix[pair] = int(row["amount_minor"])
    return out
