"""SQL of identity: accounts, roles, sessions. Private to the slice."""

from datetime import datetime
from uuid import UUID

from kiti.identity.model import Account, AccountId, Credentials, Grant, Session, SessionId
from kiti.platform.db import Conn, execute, fetch_all, fetch_optional, fetch_value


async def read_clock(conn: Conn) -> datetime:
    """The database's clock, now: read after a lock, it judges what was waited for."""
    return await fetch_value(conn, "SELECT clock_timestamp()")


async def insert_account(
    conn: Conn,
    *,
    account_id: AccountId,
    email: str,
    name: str,
    phone: str | None,
    locale: str,
    password_hash: str,
) -> Account | None:
    """The account made; None when the e-mail is another account's."""
    return await fetch_optional(
        conn,
        Account,
        """
        INSERT INTO account (account_id, email, name, phone, locale, password_hash)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (email) DO NOTHING
        RETURNING account_id, email, name, phone, locale, status, created_at
        """,
        account_id,
        email,
        name,
        phone,
        locale,
        password_hash,
    )


async def insert_grant(
    conn: Conn, *, account_id: AccountId, role: str, operator_id: UUID | None
) -> int:
    """Give the account a role; 0 when it has it already."""
    return await execute(
        conn,
        """
        INSERT INTO account_role (account_id, role, operator_id)
        VALUES ($1, $2, $3)
        ON CONFLICT (account_id, role, operator_id) DO NOTHING
        """,
        account_id,
        role,
        operator_id,
    )


async def list_grants(conn: Conn, *, account_id: AccountId) -> list[Grant]:
    """The account's roles, by role and operator; a handful, for an account is a person."""
    return await fetch_all(
        conn,
        Grant,
        """
        SELECT role, operator_id
        FROM account_role
        WHERE account_id = $1
        ORDER BY role, operator_id NULLS FIRST
        LIMIT 1000
        """,
        account_id,
    )


async def find_account(conn: Conn, *, account_id: AccountId) -> Account | None:
    """The account; None when there is none."""
    return await fetch_optional(
        conn,
        Account,
        """
        SELECT account_id, email, name, phone, locale, status, created_at
        FROM account
        WHERE account_id = $1
        """,
        account_id,
    )


async def find_account_by_email(conn: Conn, *, email: str) -> Account | None:
    """The account of this e-mail, given in lower case; None when there is none."""
    return await fetch_optional(
        conn,
        Account,
        """
        SELECT account_id, email, name, phone, locale, status, created_at
        FROM account
        WHERE email = $1
        """,
        email,
    )


async def find_credentials(conn: Conn, *, email: str) -> Credentials | None:
    """What a login of this e-mail, given in lower case, is judged by; None when there is none."""
    return await fetch_optional(
        conn,
        Credentials,
        """
        SELECT account_id, password_hash, status
        FROM account
        WHERE email = $1
        """,
        email,
    )


async def lock_account(conn: Conn, *, account_id: AccountId, password_hash: str) -> Account | None:
    """The active account that still has this password, locked; None when it has not."""
    return await fetch_optional(
        conn,
        Account,
        """
        SELECT account_id, email, name, phone, locale, status, created_at
        FROM account
        WHERE account_id = $1 AND password_hash = $2 AND status = 'active'
        FOR NO KEY UPDATE
        """,
        account_id,
        password_hash,
    )


async def replace_password_hash(
    conn: Conn, *, account_id: AccountId, old_hash: str, new_hash: str
) -> int:
    """Put a new hash in the old one's place; 0 when the password was changed meanwhile."""
    return await execute(
        conn,
        """
        UPDATE account
        SET password_hash = $3
        WHERE account_id = $1 AND password_hash = $2
        """,
        account_id,
        old_hash,
        new_hash,
    )


async def insert_session(
    conn: Conn,
    *,
    session_id: SessionId,
    account_id: AccountId,
    family_hash: bytes,
    current_hash: bytes,
    started_at: datetime,
    expires_at: datetime,
) -> None:
    """Begin a session with its first refresh token."""
    await execute(
        conn,
        """
        INSERT INTO session (
          session_id, account_id, family_hash, current_hash, created_at, rotated_at, expires_at
        )
        VALUES ($1, $2, $3, $4, $5, $5, $6)
        """,
        session_id,
        account_id,
        family_hash,
        current_hash,
        started_at,
        expires_at,
    )


async def lock_session(conn: Conn, *, family_hash: bytes) -> Session | None:
    """The session of this family, locked until the transaction ends; None when there is none."""
    return await fetch_optional(
        conn,
        Session,
        """
        SELECT session_id, account_id, current_hash, previous_hash, next_salt,
               created_at, rotated_at, expires_at, revoked_at
        FROM session
        WHERE family_hash = $1
        FOR UPDATE
        """,
        family_hash,
    )


async def rotate_session(
    conn: Conn,
    *,
    session_id: SessionId,
    old_hash: bytes,
    new_hash: bytes,
    next_salt: bytes,
    rotated_at: datetime,
    expires_at: datetime,
) -> int:
    """Make the new token current and the old one previous; 0 when the old one is not current."""
    return await execute(
        conn,
        """
        UPDATE session
        SET current_hash = $3, previous_hash = $2, next_salt = $4, rotated_at = $5, expires_at = $6
        WHERE session_id = $1 AND current_hash = $2 AND revoked_at IS NULL
        """,
        session_id,
        old_hash,
        new_hash,
        next_salt,
        rotated_at,
        expires_at,
    )


async def revoke_session(conn: Conn, *, session_id: SessionId, reason: str, now: datetime) -> int:
    """End the session; 0 when it had been ended, or is none."""
    return await execute(
        conn,
        """
        UPDATE session
        SET revoked_at = $3, revoked_for = $2
        WHERE session_id = $1 AND revoked_at IS NULL
        """,
        session_id,
        reason,
        now,
    )


async def revoke_sessions(conn: Conn, *, account_id: AccountId, reason: str, now: datetime) -> int:
    """End every session of the account; how many."""
    return await execute(
        conn,
        """
        UPDATE session
        SET revoked_at = $3, revoked_for = $2
        WHERE account_id = $1 AND revoked_at IS NULL
        """,
        account_id,
        reason,
        now,
    )
