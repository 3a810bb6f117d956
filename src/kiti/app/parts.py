"""Everything a process needs, built once from the settings and passed in."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import httpx2

from kiti.app.work import handlers_of, jobs_of
from kiti.booking.counter import Counter
from kiti.booking.sales import Sales
from kiti.booking.ticket_view import TicketDesk
from kiti.booking.tickets import TicketSigner
from kiti.checkout.desk import Desk
from kiti.checkout.till import Till
from kiti.config import Settings
from kiti.fares.service import FareTables
from kiti.identity.parts import Identity
from kiti.jobs.model import Handler, NamedJob
from kiti.network.catalogue import Catalogue
from kiti.payments.gateways.flutterwave import Flutterwave, FlutterwaveKeys, gateway_client
from kiti.payments.gateways.port import Gateway
from kiti.payments.gateways.registry import Gateways
from kiti.payments.gateways.stripe import Stripe, StripeKeys
from kiti.platform.db import Database, connect
from kiti.platform.deadlines import Deadlines
from kiti.platform.sealing import Seal

POOL_SIZE: Final = 12  # the embedded server takes 100 connections
EXPRESS: Final = 4  # of them, kept for readiness, webhooks and money that has come
# Who waits for a seat's trip gives up sooner than the server's usual: the lock is somebody's who
# takes long, and others wait behind.
WEB_DEADLINES: Final = Deadlines(lock_s=1.0)
CONNECT_TRIES: Final = 20
CONNECT_WAIT_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class Parts:
    """One process's parts: the database, what the slices' routes need, the jobs it can run."""

    settings: Settings
    db: Database
    identity: Identity
    catalogue: Catalogue
    fare_tables: FareTables
    counter: Counter
    desk: Desk
    till: Till
    handlers: Mapping[str, Handler]
    jobs: Sequence[NamedJob]


@asynccontextmanager
async def open_parts(
    settings: Settings, dsn: str, *, deadlines: Deadlines | None = None
) -> AsyncGenerator[Parts]:
    """The parts of a process, for the length of the block. `deadlines` None: the usual ones.

    Raises:
        ConfigurationError: a secret is missing or cannot be read.
        DatabaseUnavailable: no connection could be had.
    """
    db = await connect(dsn, size=POOL_SIZE, express=EXPRESS, deadlines=deadlines)
    identity = Identity.of(db, settings)
    try:
        async with gateway_client() as client:
            gateways = Gateways(_gateways(settings, client))
            yield build(settings, db, identity, gateways)
    finally:
        identity.passwords.close()
        await asyncio.shield(db.close())


def build(settings: Settings, db: Database, identity: Identity, gateways: Gateways) -> Parts:
    """The parts on a database and gateways that are there already."""
    catalogue, fare_tables = Catalogue(), FareTables()
    till = Till.of(settings, gateways)
    return Parts(
        settings=settings,
        db=db,
        identity=identity,
        catalogue=catalogue,
        fare_tables=fare_tables,
        counter=Counter(
            db=db,
            identity=identity,
            sales=Sales(catalogue, fare_tables, settings),
            tickets=TicketDesk(catalogue, TicketSigner(settings.kiti_ticket_key)),
            hold_minutes_max=settings.kiti_hold_minutes_max,
        ),
        desk=Desk(db, identity, catalogue, Seal(settings.kiti_privacy_key)),
        till=till,
        handlers=handlers_of(till),
        jobs=jobs_of(till),
    )


async def payable_currencies(settings: Settings) -> frozenset[str] | None:
    """The currencies that some gateway takes; None when no gateway is on."""
    async with gateway_client() as client:
        return Gateways(_gateways(settings, client)).currencies() or None


def _gateways(settings: Settings, client: httpx2.AsyncClient) -> list[Gateway]:
    """The gateways that are on: those whose secret key is set; the first that fits is taken."""
    out: list[Gateway] = []
    if settings.flutterwave_secret_key:
        keys = FlutterwaveKeys(
            settings.flutterwave_secret_key,
            settings.flutterwave_webhook_secret_hash,
            settings.flutterwave_webhook_secret_hash_previous,
        )
        out.append(Flutterwave(client, base_url=settings.flutterwave_base_url, keys=keys))
    if settings.stripe_secret_key:
        stripe_keys = StripeKeys(
            settings.stripe_secret_key,
            settings.stripe_webhook_secret,
            settings.stripe_webhook_secret_previous,
        )
        out.append(Stripe(client, base_url=settings.stripe_base_url, keys=stripe_keys))
    return out
