"""Passwords: how they are hashed, when anew, and that nobody waits for them but who must."""

import asyncio
import threading

import pytest

from identity_site import PASSWORD, Site, assert_problem, serve
from kiti.config import Settings
from kiti.identity import service
from kiti.identity.model import DEMO_PASSWORD, BadCredentials
from kiti.identity.passwords import THREADS, WAITING_MAX, Passwords, random_password
from kiti.platform.db import Database
from kiti.platform.errors import Overloaded


class Counting(Passwords):
    """Counts the hashes it verifies."""

    verified = 0

    def _matches(self, password: str, password_hash: str) -> bool:
        self.verified += 1
        return super()._matches(password, password_hash)


class Slow(Passwords):
    """Verifies once it is told to."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_kib=64)
        self.begun = threading.Semaphore(0)
        self.may_end = threading.Event()

    def _matches(self, password: str, password_hash: str) -> bool:
        self.begun.release()
        assert self.may_end.wait(timeout=30)
        return super()._matches(password, password_hash)


async def test_a_hash_is_argon2id_with_a_salt_of_its_own() -> None:
    passwords = Passwords()
    first, second = await passwords.hash(PASSWORD), await passwords.hash(PASSWORD)
    passwords.close()
    assert first != second
    assert first.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert PASSWORD not in first


async def test_only_the_password_itself_matches() -> None:
    passwords = Passwords(time_cost=1, memory_kib=64)
    kept = await passwords.hash(PASSWORD)
    assert await passwords.verify(PASSWORD, kept)
    for wrong in (PASSWORD.upper(), PASSWORD + " ", PASSWORD[:-1], "", "x" * 5000, "\ud800" * 9):
        assert not await passwords.verify(wrong, kept)
    assert not await passwords.verify(PASSWORD, "$argon2id$v=19$not a hash")
    passwords.close()


async def test_one_password_typed_on_two_keyboards_is_one() -> None:
    passwords = Passwords(time_cost=1, memory_kib=64)
    kept = await passwords.hash(passwords.check_new("caf\u00e9 au lait"))
    assert await passwords.verify("cafe\u0301 au lait", kept)
    passwords.close()


async def test_the_work_is_the_same_for_an_unknown_e_mail(db: Database) -> None:
    passwords = Counting(time_cost=1, memory_kib=64)
    async with serve(db) as site:
        await site.enter(site.client())
    tries = [
        ("amina@example.com", "wrong password"),
        ("nobody@example.com", PASSWORD),
        ("no e-mail", PASSWORD),
        ("amina@example.com", "short"),
        ("nobody@example.com", "x" * 500),
    ]
    for count, (email, password) in enumerate(tries, start=1):
        with pytest.raises(BadCredentials):
            await service.login(db, passwords, email=email, password=password)
        assert passwords.verified == count
    passwords.close()


async def test_the_hash_for_nobody_costs_what_todays_hashes_cost() -> None:
    passwords = Passwords()
    assert await passwords.rehash(PASSWORD, passwords._nobody) is None
    assert not await passwords.verify("", None)
    assert not await passwords.verify(PASSWORD, None)
    passwords.close()


async def test_a_hash_with_old_figures_is_made_anew_at_login(db: Database) -> None:
    old = Passwords(time_cost=1, memory_kib=64)
    today = Passwords(time_cost=2, memory_kib=128)
    new = await service.prepare_account(
        old, email="amina@example.com", name="Amina", password=PASSWORD
    )
    await service.register(db, new)
    kept = [new.password_hash]
    for _ in range(2):
        await service.login(db, today, email="amina@example.com", password=PASSWORD)
        async with db.connection() as conn:
            kept.append(str(await conn.fetchval("SELECT password_hash FROM account")))
    assert "m=64,t=1" in kept[0]
    assert "m=128,t=2" in kept[1]
    assert kept[2] == kept[1]
    old.close()
    today.close()


async def test_the_event_loop_goes_on_while_passwords_are_hashed() -> None:
    passwords = Slow()
    kept = await passwords.hash(PASSWORD)
    checking = [asyncio.create_task(passwords.verify(PASSWORD, kept)) for _ in range(THREADS + 3)]
    for _ in range(THREADS):
        assert await asyncio.to_thread(passwords.begun.acquire, timeout=30)
    assert not passwords.begun.acquire(blocking=False)
    assert not any(task.done() for task in checking)
    passwords.may_end.set()
    assert await asyncio.gather(*checking) == [True] * (THREADS + 3)
    passwords.close()


async def test_a_password_changed_during_a_login_lets_nobody_in(live_db: Database) -> None:
    async with serve(live_db) as site:
        await site.enter(site.client())
    passwords = Slow()
    login = asyncio.create_task(
        service.login(live_db, passwords, email="amina@example.com", password=PASSWORD)
    )
    assert await asyncio.to_thread(passwords.begun.acquire, timeout=30)
    async with live_db.connection() as conn:
        await conn.execute("UPDATE account SET password_hash = '$argon2id$another'")
    passwords.may_end.set()
    with pytest.raises(BadCredentials):
        await login
    async with live_db.connection() as conn:
        assert await conn.fetchval("SELECT count(*) FROM session") == 1
    passwords.close()


async def test_too_many_logins_at_once_are_refused_at_once(site: Site) -> None:
    passwords = Slow()
    kept = await passwords.hash(PASSWORD)
    full = THREADS + WAITING_MAX
    checking = [asyncio.create_task(passwords.verify(PASSWORD, kept)) for _ in range(full)]
    assert await asyncio.to_thread(passwords.begun.acquire, timeout=30)
    with pytest.raises(Overloaded):
        await passwords.verify(PASSWORD, kept)
    passwords.may_end.set()
    assert await asyncio.gather(*checking) == [True] * full
    assert await passwords.verify(PASSWORD, kept)
    passwords.close()


async def test_a_problem_never_repeats_a_password(site: Site) -> None:
    secret = "correct horse battery staple"
    bodies: list[dict[str, object]] = [
        {"email": "a@b.example", "password": secret, "name": ""},
        {"email": "a@b.example", "password": [secret], "name": "A"},
        {"email": secret, "password": secret, "name": "", "extra": secret},
        {"email": "a@b.example", "password": secret * 20, "name": "A"},
    ]
    for body in bodies:
        for path in ("register", "login"):
            response = await site.client().post(f"/api/auth/{path}", json=body)
            if path == "register":
                assert_problem(response, 422, "VALIDATION_FAILED")
            assert not response.is_success
            assert secret not in response.text


def test_production_alone_refuses_the_demo_password() -> None:
    production = Passwords.of(Settings(app_env="production"))
    with pytest.raises(ValueError, match="known to everybody"):
        production.check_new(DEMO_PASSWORD)
    laptop = Passwords.of(Settings())
    assert laptop.check_new(DEMO_PASSWORD) == DEMO_PASSWORD
    production.close()
    laptop.close()


def test_a_random_password_is_long_and_new() -> None:
    made = {random_password() for _ in range(100)}
    assert len(made) == 100
    assert all(len(password) == 22 for password in made)
