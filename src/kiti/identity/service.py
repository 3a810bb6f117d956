"""Use cases of identity: make accounts, log in, refresh, log out."""

import hmac
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

import structlog

from kiti.identity import store
from kiti.identity.model import (
    REFRESH_GRACE,
    SESSION_IDLE_TTL,
    SESSION_TTL,
    Account,
    AccountId,
    BadCredentials,
    Grant,
    NewAccount,
    Role,
    Session,
    SessionEnded,
    SessionId,
    normalise_email,
    normalise_locale,
    normalise_name,
    normalise_phone,
)
from kiti.identity.passwords import Passwords
from kiti.identity.refresh_tokens import RefreshToken, new_salt
from kiti.platform.db import Conn, Database
from kiti.platform.errors import ValidationFailed
from kiti.platform.ids import new_id

log: Final = structlog.get_logger("kiti.identity")


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A session just begun or refreshed. The refresh token is nowhere else in the clear."""

    session_id: SessionId
    account: Account
    roles: frozenset[Role]
    expires_at: datetime
    refresh_token: str = field(repr=False)


async def prepare_account(
    passwords: Passwords,
    *,
    email: str,
    name: str,
    password: str,
    grants: Iterable[Grant] = (Grant(Role.PASSENGER, None),),
    phone: str | None = None,
    locale: str = "en",
) -> NewAccount:
    """Check an account's fields and hash its password, with no transaction open meanwhile.

    Raises:
        ValidationFailed: naming every field at fault.
        Overloaded: too many passwords are being hashed.
    """
    faults: list[dict[str, str]] = []

    def checked(pointer: str, rule: Callable[[str], str], text: str) -> str:
        try:
            return rule(text)
        except ValueError as error:
            faults.append({"pointer": pointer, "message": str(error)})
            return ""

    email = checked("#/email", normalise_email, email)
    name = checked("#/name", normalise_name, name)
    locale = checked("#/locale", normalise_locale, locale)
    password = checked("#/password", passwords.check_new, password)
    if phone is not None:
        phone = checked("#/phone", normalise_phone, phone)
    if faults:
        raise ValidationFailed(errors=faults)
    return NewAccount(
        email=email,
        name=name,
        phone=phone,
        locale=locale,
        password_hash=await passwords.hash(password),
        grants=tuple(grants),
    )


async def create_account(conn: Conn, new: NewAccount) -> Account:
    """Make the account with its roles.

    Raises:
        ValidationFailed: the e-mail is another account's.
    """
    account = await store.insert_account(
        conn,
        account_id=AccountId(new_id()),
        email=new.email,
        name=new.name,
        phone=new.phone,
        locale=new.locale,
        password_hash=new.password_hash,
    )
    if account is None:
        fault = {"pointer": "#/email", "message": "an account with this e-mail exists"}
        raise ValidationFailed(errors=[fault])
    for grant in new.grants:
        await store.insert_grant(
            conn, account_id=account.account_id, role=grant.role, operator_id=grant.operator_id
        )
    return account


async def find_account(conn: Conn, account_id: UUID) -> Account | None:
    """The account, active or not; None when there is none."""
    return await store.find_account(conn, account_id=AccountId(account_id))


async def find_account_by_email(conn: Conn, email: str) -> Account | None:
    """The account of this e-mail in any case of letters; None when there is none."""
    try:
        return await store.find_account_by_email(conn, email=normalise_email(email))
    except ValueError:
        return None


async def list_grants(conn: Conn, account_id: UUID) -> list[Grant]:
    """The roles an account has now, each with its operator; a token's may be 15 minutes old."""
    return await store.list_grants(conn, account_id=AccountId(account_id))


async def register(db: Database, new: NewAccount) -> OpenSession:
    """Make an account and log it in.

    Raises:
        ValidationFailed: the e-mail is another account's.
    """

    async def work(conn: Conn) -> OpenSession:
        account = await create_account(conn, new)
        return await _begin_session(conn, account)

    return await db.run(work)


async def login(db: Database, passwords: Passwords, *, email: str, password: str) -> OpenSession:
    """Begin a new session, whatever sessions there are.

    An unknown e-mail, a wrong password and a disabled account get the same answer after the same
    work.

    Raises:
        BadCredentials: nobody is let in.
        Overloaded: too many passwords are being hashed.
    """
    found = None
    try:
        address = normalise_email(email)
    except ValueError:
        address = None
    if address is not None:
        async with db.connection() as conn:
            found = await store.find_credentials(conn, email=address)
    password_hash = None if found is None else found.password_hash
    if not await passwords.verify(password, password_hash) or found is None:
        raise BadCredentials
    new_hash = await passwords.rehash(password, found.password_hash)

    async def work(conn: Conn) -> OpenSession:
        account = await store.lock_account(
            conn, account_id=found.account_id, password_hash=found.password_hash
        )
        if account is None:
            raise BadCredentials
        if new_hash is not None:
            await store.replace_password_hash(
                conn,
                account_id=found.account_id,
                old_hash=found.password_hash,
                new_hash=new_hash,
            )
        return await _begin_session(conn, account)

    return await db.run(work)


async def refresh(db: Database, refresh_token: str) -> OpenSession:
    """Exchange a refresh token for the next one.

    The same token again within REFRESH_GRACE gets the same next token, as long as that has not been
    used. Any other old token of the family ends the session: two have it, and one of them stole it.

    Locks: the session, for the length of the exchange.

    Raises:
        SessionEnded: there is no live session for this token.
    """
    token = RefreshToken.read(refresh_token)
    if token is None:
        raise SessionEnded

    async def work(conn: Conn) -> OpenSession | None:
        session = await store.lock_session(conn, family_hash=token.family_hash)
        return None if session is None else await _refresh(conn, session, token)

    # The refusal is raised after the commit, for ending the family must last.
    opened = await db.run(work)
    if opened is None:
        raise SessionEnded
    return opened


async def end_session(db: Database, session_id: SessionId) -> None:
    """End one session; nothing when it has ended."""
    async with db.transaction() as conn:
        now = await store.read_clock(conn)
        await store.revoke_session(conn, session_id=session_id, reason="logout", now=now)


async def end_family(db: Database, refresh_token: str) -> bool:
    """End the session of a refresh token, old or current; False when it is of no session."""
    token = RefreshToken.read(refresh_token)
    if token is None:
        return False
    async with db.transaction() as conn:
        session = await store.lock_session(conn, family_hash=token.family_hash)
        if session is None:
            return False
        now = await store.read_clock(conn)
        await store.revoke_session(conn, session_id=session.session_id, reason="logout", now=now)
        return True


async def end_sessions(db: Database, account_id: UUID) -> int:
    """End every session of an account; how many had not ended."""
    async with db.transaction() as conn:
        now = await store.read_clock(conn)
        return await store.revoke_sessions(
            conn, account_id=AccountId(account_id), reason="logout_all", now=now
        )


async def _begin_session(conn: Conn, account: Account) -> OpenSession:
    token = RefreshToken.new()
    session_id = SessionId(new_id())
    now = await store.read_clock(conn)
    expires_at = now + SESSION_IDLE_TTL
    await store.insert_session(
        conn,
        session_id=session_id,
        account_id=account.account_id,
        family_hash=token.family_hash,
        current_hash=token.secret_hash,
        started_at=now,
        expires_at=expires_at,
    )
    return await _opened(conn, session_id, account, expires_at, token)


async def _refresh(conn: Conn, session: Session, token: RefreshToken) -> OpenSession | None:
    """The session refreshed; None when it has ended, or is ended here."""
    now = await store.read_clock(conn)
    if session.revoked_at is not None or session.expires_at <= now:
        return None
    account = await store.find_account(conn, account_id=session.account_id)
    if account is None or account.status != "active":
        await store.revoke_session(conn, session_id=session.session_id, reason="disabled", now=now)
        return None
    if hmac.compare_digest(token.secret_hash, session.current_hash):
        salt = new_salt()
        following = token.next(salt)
        expires_at = min(now + SESSION_IDLE_TTL, session.created_at + SESSION_TTL)
        await store.rotate_session(
            conn,
            session_id=session.session_id,
            old_hash=token.secret_hash,
            new_hash=following.secret_hash,
            next_salt=salt,
            rotated_at=now,
            expires_at=expires_at,
        )
        return await _opened(conn, session.session_id, account, expires_at, following)
    if session.next_salt is not None and _is_repeat(session, token, now):
        following = token.next(session.next_salt)
        return await _opened(conn, session.session_id, account, session.expires_at, following)
    await store.revoke_session(conn, session_id=session.session_id, reason="reuse", now=now)
    log.warning("refresh token reused, session ended", session_id=str(session.session_id))
    return None


def _is_repeat(session: Session, token: RefreshToken, now: datetime) -> bool:
    """Whether the token is the one just exchanged, so recently that its answer may be lost."""
    if session.previous_hash is None or now - session.rotated_at > REFRESH_GRACE:
        return False
    return hmac.compare_digest(token.secret_hash, session.previous_hash)


async def _opened(
    conn: Conn,
    session_id: SessionId,
    account: Account,
    expires_at: datetime,
    token: RefreshToken,
) -> OpenSession:
    grants = await store.list_grants(conn, account_id=account.account_id)
    return OpenSession(
        session_id=session_id,
        account=account,
        roles=frozenset(Role(grant.role) for grant in grants),
        expires_at=expires_at,
        refresh_token=token.text,
    )
