"""Ticket tokens: signed, refused when changed, and readable from their picture."""

import base64
import re
from uuid import UUID

import pytest
import zxingcpp
from hypothesis import given
from hypothesis import strategies as st

from kiti.booking.tickets import TicketFacts, TicketSigner, qr_svg, verify_token

KEY = base64.b64encode(bytes(range(32))).decode()
OTHER_KEY = base64.b64encode(bytes(32)).decode()

facts = st.builds(
    TicketFacts,
    ticket_id=st.uuids(),
    trip_id=st.uuids(),
    seat=st.integers(0, 65535),
    first_leg=st.integers(0, 255),
    last_leg=st.integers(0, 255),
)


@given(facts)
def test_what_is_signed_is_read_back_by_the_public_key_alone(given_facts: TicketFacts) -> None:
    signer = TicketSigner(KEY)
    token = signer.sign(given_facts)
    assert verify_token(token, signer.public_key) == given_facts
    assert verify_token(token, TicketSigner(OTHER_KEY).public_key) is None
    assert signer.sign(given_facts) == token


@given(facts, st.data())
def test_any_letter_changed_is_refused(given_facts: TicketFacts, data: st.DataObject) -> None:
    signer = TicketSigner(KEY)
    token = signer.sign(given_facts)
    # The last letter carries bits that are padding: the one before it is the last that counts.
    place = data.draw(st.integers(0, len(token) - 2))
    letter = data.draw(
        st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567").filter(
            lambda other: other != token[place]
        )
    )
    assert verify_token(token[:place] + letter + token[place + 1 :], signer.public_key) is None


@pytest.mark.parametrize("token", ["", "KITI1:", "KITI1:AAAA", "KITI2:AAAA", "KITI1:" + "1" * 167])
def test_what_is_no_token_is_refused(token: str) -> None:
    assert verify_token(token, TicketSigner(KEY).public_key) is None


def test_the_picture_scales_and_says_the_token() -> None:
    signer = TicketSigner(KEY)
    token = signer.sign(
        TicketFacts(
            ticket_id=UUID(int=1),
            trip_id=UUID(int=2),
            seat=3,
            first_leg=0,
            last_leg=4,
        )
    )
    drawing = qr_svg(token)
    found = re.match(r'<svg viewBox="0 0 (\d+) \1" ', drawing)
    assert found is not None
    size = int(found[1])
    dark = [[False] * size for _ in range(size)]
    for x, y, width, height in re.findall(r"M(\d+) (\d+)h(\d+)v(\d+)h-\d+Z", drawing):
        for row in range(int(y), int(y) + int(height)):
            dark[row][int(x) : int(x) + int(width)] = [True] * int(width)
    scale = 4
    pixels = bytearray()
    for row in dark:
        line = b"".join((b"\x00" if cell else b"\xff") * scale for cell in row)
        pixels += line * scale
    image = memoryview(pixels).cast("B", (size * scale, size * scale))
    (read,) = zxingcpp.read_barcodes(image)
    assert read.text == token
