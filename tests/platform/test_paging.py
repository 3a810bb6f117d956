import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiti.platform.errors import ValidationFailed
from kiti.platform.paging import decode_cursor, encode_cursor

PARTS = st.lists(
    st.integers(-(2**63) + 1, 2**63 - 1) | st.text(st.characters(categories=["L", "N"])),
    max_size=5,
)


@given(parts=PARTS)
def test_a_cursor_comes_back_as_it_went(parts: list[str | int]):
    cursor = encode_cursor("list", *parts)

    assert decode_cursor(cursor, "list", *(type(part) for part in parts)) == parts
    assert cursor.isascii()
    assert not set(cursor) & set("+/=")


@given(parts=PARTS)
def test_a_cursor_of_another_list_is_refused(parts: list[str | int]):
    cursor = encode_cursor("list", *parts)

    with pytest.raises(ValidationFailed):
        decode_cursor(cursor, "other", *(type(part) for part in parts))


@given(text=st.text(max_size=60))
def test_what_is_no_cursor_is_refused_and_no_more(text: str):
    with pytest.raises(ValidationFailed) as refused:
        decode_cursor(text, "list", int)

    assert refused.value.extension["errors"]
