"""The web application: every slice's routes behind one outer layer."""

from importlib.metadata import version

from fastapi import FastAPI
from starlette.types import ASGIApp

from kiti.app.parts import Parts
from kiti.booking import routes as booking
from kiti.checkout import (
    routes_bookings,
    routes_exchange,
    routes_house,
    routes_offers,
    routes_payments,
    routes_search,
    routes_trips,
)
from kiti.checkout.search import Sources
from kiti.identity import routes as identity
from kiti.jobs import routes as jobs
from kiti.network.popular import PopularRoutes
from kiti.pages import passenger
from kiti.pages.front import Front
from kiti.pages.shell import Shell
from kiti.pages.visits import Visits
from kiti.payments import routes as payments
from kiti.platform import health
from kiti.platform.docs import add_docs
from kiti.platform.outer import OuterLayer, install_problems


def create_app(parts: Parts) -> ASGIApp:
    """The application, as a server runs it."""
    return OuterLayer(create_api(parts))


def create_api(parts: Parts) -> FastAPI:
    """The routes, without the outer layer: what the OpenAPI document is made of."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    front = front_of(parts)
    install_problems(app, as_page=passenger.refuser(front))
    app.include_router(health.router(parts.db.express))
    app.include_router(identity.router(parts.identity))
    app.include_router(routes_search.router(parts.db, parts.catalogue, parts.fare_tables))
    app.include_router(booking.router(parts.counter))
    app.include_router(routes_bookings.router(parts.desk))
    app.include_router(routes_offers.router(parts.desk))
    app.include_router(routes_exchange.router(parts.desk))
    app.include_router(routes_trips.router(parts.desk))
    app.include_router(routes_payments.router(parts.db, parts.identity.callers, parts.till))
    app.include_router(routes_house.router(parts.db, parts.identity.callers))
    app.include_router(
        payments.webhook_routes(parts.db.express, parts.till.gateways), prefix="/api"
    )
    app.include_router(jobs.router(parts.db, parts.settings, parts.jobs))
    app.include_router(passenger.router(front))
    add_docs(app, title="Kiti", version=version("kiti"))
    return app


def front_of(parts: Parts) -> Front:
    """What the pages need of the parts."""
    visits = Visits(parts.identity)
    return Front(
        db=parts.db,
        identity=parts.identity,
        sources=Sources(parts.catalogue, parts.fare_tables),
        sales=parts.counter.sales,
        tickets=parts.counter.tickets,
        seal=parts.desk.seal,
        till=parts.till,
        hold_minutes_max=parts.counter.hold_minutes_max,
        popular=PopularRoutes(),
        visits=visits,
        shell=Shell.of(visits),
    )
