"""Input that no honest client sends: each is refused plainly and quickly, and changes nothing."""

import asyncio
import json
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from identity_site import assert_problem
from shop import RESERVE, Shop, bearer

JSON = {"content-type": "application/json"}
ANSWERED_S = 10  # far above any honest refusal; a hang is what it finds

HEAD = b"POST /api/bookings/reserve HTTP/1.1\r\nHost: HOST\r\nContent-Type: application/json\r\n"


async def exchange(shop: Shop, raw: bytes) -> bytes:
    """All that the server sends until it closes the connection."""
    address = urlsplit(str(shop.product.client.base_url))
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        writer.write(raw.replace(b"HOST", f"{address.hostname}:{address.port}".encode()))
        async with asyncio.timeout(ANSWERED_S):
            return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


# 34: amounts and counts that are no such numbers. A client's price is never taken.
ODD_NUMBERS = [
    "-1", "0", "1.5", "1.0", "1e2", "1e309", "-1e309", "1e99999999999999999999", "NaN", "Infinity",
    '"1"', "true", "null", "[1]", "{}", str(2**63), "1" + "0" * 400, "1" + "0" * 5000,
]  # fmt: skip


@pytest.mark.parametrize("number", ODD_NUMBERS, ids=range(len(ODD_NUMBERS)))
async def test_odd_numbers_are_refused(server: Shop, number: str):
    trip = await server.a_trip()
    for field in ("count", "holdDurationMinutes", "fromSequence"):
        seats = "" if field == "count" else '"seatNumbers": ["3A"], '
        raw = f'{{"tripId": "{trip["id"]}", {seats}"{field}": {number}}}'
        answer = await server.product.client.post(RESERVE, content=raw, headers=JSON)
        if answer.status_code == 201:  # null stands for a field that is not given
            assert number == "null", answer.text
            await server.release(answer.json())
        else:
            assert answer.status_code in {400, 422}, answer.text
    assert set((await server.statuses(trip)).values()) == {"AVAILABLE", "BLOCKED"}


@pytest.mark.parametrize("number", ODD_NUMBERS, ids=range(len(ODD_NUMBERS)))
async def test_an_odd_amount_pays_nothing(server: Shop, number: str):
    held = await server.hold(await server.fresh_trip(), ["3A"])
    raw = (
        f'{{"bookingId": "{held["bookingId"]}", "amount": {number}, "paymentMethod": "CARD", '
        f'"idempotencyKey": "{uuid4()}"}}'
    )
    answer = await server.product.client.post(
        "/api/payments/initiate", content=raw, headers=JSON | bearer(held["guestToken"])
    )
    assert answer.status_code in {400, 422}, answer.text
    assert (await server.booking(held))["payments"] == []
    await server.release(held)


@pytest.mark.parametrize("field", ["price", "total", "amount", "fares", "status", "expiresAt"])
async def test_what_a_client_says_of_price_or_state_is_refused(server: Shop, field: str):
    trip = await server.a_trip()
    body = {"tripId": trip["id"], "seatNumbers": ["3A"], field: 1}
    answer = await server.post(RESERVE, body)
    problem = assert_problem(answer, 422, "VALIDATION_FAILED")
    assert [error["pointer"] for error in problem["errors"]] == [f"#/{field}"]


# 35: seat numbers of all alphabets. What is not a seat's own name names none.
ODD_SEATS = [
    "3А",  # a Cyrillic letter
    "\u202e3A", "3A\u0301", "3\u0000A", "\u0000", "A3", "３Ａ Ａ", "٣A", "3A" * 5000, "💺", "'; --",
    "{{7*7}}", "<script>alert(1)</script>", "%00", "../3A", "3A\n", "\ud83d",
]  # fmt: skip


@pytest.mark.parametrize("seat", ODD_SEATS, ids=range(len(ODD_SEATS)))
async def test_a_seat_number_names_one_seat_or_none(server: Shop, seat: str):
    trip = await server.fresh_trip()
    body = json.dumps({"tripId": trip["id"], "seatNumbers": [seat, "3B"]})
    answer = await server.product.client.post(RESERVE, content=body, headers=JSON)
    if answer.status_code == 201:
        assert answer.json()["seatNumbers"] == ["3A", "3B"]
        assert await server.refused(trip, ["3a"]) == ["3A"]
    else:
        assert answer.status_code in {400, 422}, answer.text
        assert (await server.statuses(trip))["3B"] == "AVAILABLE"


# 36: bodies made to cost. Each is answered at once, and the process goes on.
def many_keys(n: int) -> bytes:
    return b"{" + b",".join(b'"%x": 1' % i for i in range(n)) + b"}"


HEAVY: dict[str, tuple[bytes, set[int]]] = {
    "deep lists": (b"[" * 30_000 + b"]" * 30_000, {400}),
    "deep objects": (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, {400}),
    "a deep list in a field": (b'{"seatNumbers":' + b"[" * 190 + b"]" * 190 + b"}", {422}),
    "many keys": (many_keys(5_000), {422}),
    "a million keys": (many_keys(1_000_000), {413}),
    "one key, many times": (b"{" + b",".join([b'"tripId": 1'] * 5_000) + b"}", {400}),
    "a key twice, deep": (b'{"tripId": "x", "passengers": [{"a": {"b": 1, "b": 2}}]}', {400}),
    "a key twice, one escaped": (b'{"tripId": "1", "\\u0074ripId": "2"}', {400}),
    "ten thousand seats": (b'{"seatNumbers": [' + b'"1A",' * 9_999 + b'"1A"]}', {422}),
    "a long text": (b'{"tripId": "' + b"x" * 60_000 + b'"}', {422}),
    "too long": (b" " * 65_537, {413}),
    "a bomb": (b"\x1f\x8b" + b"\x00" * 1000, {400}),
}


@pytest.mark.parametrize("name", HEAVY)
async def test_a_heavy_body_is_refused_at_once(server: Shop, name: str):
    body, statuses = HEAVY[name]
    async with asyncio.timeout(ANSWERED_S):
        answer = await server.product.client.post(RESERVE, content=body, headers=JSON)
    assert answer.status_code in statuses, answer.text
    assert len(answer.content) < 10_000


async def test_a_packed_body_is_not_unpacked(server: Shop):
    headers = JSON | {"content-encoding": "gzip"}
    answer = await server.product.client.post(RESERVE, content=b"\x1f\x8b\x08", headers=headers)
    assert_problem(answer, 400, "MALFORMED_JSON")


async def test_a_body_that_never_ends_is_refused_while_it_comes(server: Shop):
    address = urlsplit(str(server.product.client.base_url))
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    head = HEAD.replace(b"HOST", f"{address.hostname}:{address.port}".encode())
    chunk = b"1000\r\n" + b" " * 4096 + b"\r\n"
    writer.write(head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 20)
    async with asyncio.timeout(ANSWERED_S):
        answer = await reader.readuntil(b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413"), answer
    writer.close()


# 37: words of other languages, in every place where a text is taken.
WORDS = [
    "' OR '1'='1", "'; DROP TABLE booking; --", "$1", "{{7*7}}", "${7*7}", "%s%s%n",
    "<script>alert(1)</script>", "\\", "_%", "=HYPERLINK(1)", "\u2028", "😀", "a" * 100,
]  # fmt: skip


@pytest.mark.parametrize("word", WORDS, ids=range(len(WORDS)))
async def test_words_of_other_languages_are_texts(server: Shop, word: str):
    trip = await server.a_trip()
    found = await server.get("/api/stops", q=word)
    assert found.status_code in {200, 422}, found.text
    if found.status_code == 200:
        assert found.json()["items"] == []
    for params in ({"sort": word}, {"cursor": word}, {"from": word}, {"date": word}):
        ends = {"from": trip["from"]["stopId"], "to": trip["to"]["stopId"], "date": server.day(1)}
        answer = await server.get("/api/trips", **(ends | params))
        assert_problem(answer, 422, "VALIDATION_FAILED")
        assert answer.headers["content-type"] == "application/problem+json"
    key = await server.reserve(trip, ["3A"], key=str(uuid4()), class_=word)
    assert key.status_code == 422, key.text


@pytest.mark.parametrize("word", WORDS[:-2], ids=range(len(WORDS) - 2))
async def test_a_name_is_kept_as_it_was_given(server: Shop, word: str):
    held = await server.hold(await server.fresh_trip(), ["3A"])
    people = {
        "contact": {"phone": "+2348031234567"},
        "passengers": [{"seatNumber": "3A", "name": word}],
    }
    answer = await server.product.client.put(
        f"/api/bookings/{held['bookingId']}/passengers",
        json=people,
        headers=bearer(held["guestToken"]),
    )
    assert answer.status_code in {200, 422}, answer.text
    if answer.status_code == 200:
        kept = "SELECT name FROM passenger WHERE booking_id = $1::text::uuid"
        assert await server.product.value(kept, held["bookingId"]) == " ".join(word.split())
    await server.release(held)


# 38: ids that are none.
ODD_IDS = [
    "-1", "0", str(2**63), "1e3", "%00", "..%2f..%2fetc%2fpasswd", "..", "{id}", "null", "*",
    "0" * 32, "urn:uuid:00000000-0000-7000-8000-000000000000",
    "%7B00000000-0000-7000-8000-000000000000%7D", "00000000-0000-7000-8000-00000000000",
    "00000000-0000-7000-8000-0000000000000", "٠0000000-0000-7000-8000-000000000000", "a" * 5000,
]  # fmt: skip


@pytest.mark.parametrize("odd", ODD_IDS, ids=range(len(ODD_IDS)))
async def test_an_id_that_is_none_finds_nothing(server: Shop, odd: str):
    held = await server.hold(await server.fresh_trip(), ["3A"])
    mine = bearer(held["guestToken"])
    for method, path in (
        ("GET", f"/api/trips/{odd}"),
        ("GET", f"/api/bookings/{odd}"),
        ("GET", f"/api/tickets/{odd}"),
        ("GET", f"/api/tickets/{odd}?code={odd}"),
        ("DELETE", f"{RESERVE}/{odd}"),
        ("POST", f"/api/bookings/{odd}/extend"),
        ("PUT", f"/api/bookings/{odd}/passengers"),
    ):
        content = None if method in {"GET", "DELETE"} else b"{}"
        answer = await server.product.client.request(
            method, path, headers=mine | JSON, content=content
        )
        if ".." in odd:  # the client, or the server, takes it for another path
            assert answer.status_code in {401, 404, 405}, (path, answer.text)
        else:
            assert_problem(answer, 404, "NOT_FOUND")
    for params in ({"tripId": odd}, {"tripId": held["tripId"], "from": odd}):
        answer = await server.get(RESERVE, **params)
        if odd.startswith(("0" * 32, "urn:")):  # another way to write an id: of no trip or stop
            assert answer.status_code in {404, 422}, answer.text
        else:
            assert_problem(answer, 422, "VALIDATION_FAILED")
    status = await server.get("/api/payments/status", held["guestToken"], transactionId=odd)
    assert status.status_code in {404, 422}, status.text
    await server.release(held)


# 39: requests that two readers would divide in two ways. Refused, and the connection is closed.
SMUGGLED: dict[str, bytes] = {
    "length and chunks": HEAD
    + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    + b"GET /healthz HTTP/1.1\r\n\r\n",
    "two lengths": HEAD + b"Content-Length: 2\r\nContent-Length: 20\r\n\r\n{}",
    "a length that is none": HEAD + b"Content-Length: +2\r\n\r\n{}",
    "a length below zero": HEAD + b"Content-Length: -2\r\n\r\n{}",
    "a chunk that is none": HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    "another coding": HEAD + b"Transfer-Encoding: chunked, identity\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "a folded header": HEAD + b"X-Folded: one\r\n two\r\nContent-Length: 2\r\n\r\n{}",
    "a space before the colon": HEAD + b"Content-Length : 2\r\n\r\n{}",
    "a huge header": HEAD + b"X-Huge: " + b"x" * 200_000 + b"\r\nContent-Length: 2\r\n\r\n{}",
    "10,000 headers": HEAD + b"X-Many: 1\r\n" * 10_000 + b"Content-Length: 2\r\n\r\n{}",
    "no HTTP": b"HELO kiti\r\n\r\n",
}


@pytest.mark.parametrize("name", SMUGGLED)
async def test_a_request_of_two_meanings_is_refused_and_the_connection_closed(
    server: Shop, name: str
):
    answer = await exchange(server, SMUGGLED[name])
    assert answer.count(b"HTTP/1.1 ") <= 1, answer
    assert answer == b"" or answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 431")), answer


# 41: methods. What changes nothing never changes anything, whatever a header says.
METHODS: dict[str, tuple[str, str, dict[str, str]]] = {
    "TRACE": ("TRACE", RESERVE, {}),
    "CONNECT": ("CONNECT", RESERVE, {}),
    "PATCH": ("PATCH", RESERVE, {}),
    "GET that would pay": ("GET", "/api/payments/initiate", {}),
    "GET that would run a job": ("GET", "/api/jobs/expire-seats", {}),
    "override": ("PUT", RESERVE, {"x-http-method-override": "POST"}),
    "HEAD": ("HEAD", "/api/payments/initiate", {}),
}


@pytest.mark.parametrize("name", METHODS)
async def test_a_method_that_is_not_taken_is_told_so(server: Shop, name: str):
    method, path, headers = METHODS[name]
    answer = await server.product.client.request(method, path, headers=headers)
    assert answer.status_code == 405, answer.text


async def test_a_method_that_is_made_up_is_refused(server: Shop):
    answer = await server.product.client.request("BREW", RESERVE)
    assert answer.status_code in {400, 405}, answer.text


async def test_an_override_is_ignored(server: Shop):
    held = await server.hold(await server.fresh_trip(), ["3A"])
    path = f"/api/bookings/{held['bookingId']}"
    headers = bearer(held["guestToken"]) | {"x-http-method-override": "DELETE"}
    answer = await server.product.client.get(path, headers=headers)
    assert answer.json()["status"] == "HELD"
    await server.release(held)


# 42: seats of nothing, of too much, of another trip (wrong fields: test_journey_seats).
async def test_seats_of_no_trip_and_of_trips_that_are_over(server: Shop):
    trip = await server.fresh_trip()
    answer = await server.reserve({"id": str(uuid4())}, ["3A"])
    assert_problem(answer, 404, "NOT_FOUND")
    thousand = await server.reserve(trip, [f"{n}A" for n in range(1000)])
    assert_problem(thousand, 422, "VALIDATION_FAILED")
    over = "UPDATE trip_inventory SET sales_close_at = clock_timestamp() WHERE trip_id = $1::text"
    await server.product.value(f"{over}::uuid", trip["id"])
    assert_problem(await server.reserve(trip, ["3A"]), 409, "SALES_CLOSED")
    assert set((await server.statuses(trip)).values()) == {"BLOCKED"}
