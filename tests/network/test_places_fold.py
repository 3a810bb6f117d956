import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiti.network.model_places import fold, letters, word_starts


@pytest.mark.parametrize(
    ("typed", "folded"),
    [
        ("Lagos", "lagos"),
        ("  Dar-es-Salaam ", "dar es salaam"),
        ("São Tomé", "sao tome"),
        ("N'Djamena", "ndjamena"),
        ("N\u2019Djamena", "ndjamena"),
        ("Yaoundé (Mvan)", "yaounde mvan"),
        ("Straße", "strasse"),
        ("TROMSØ", "tromso"),
        ("Ɔbuasi", "obuasi"),
        ("Ƙofar Ruwa", "kofar ruwa"),
        ("Ｌａｇｏｓ", "lagos"),
        ("İzmir", "izmir"),
        ("ﬁeld", "field"),
        ("北海道 室蘭", "北海道 室蘭"),
        ("हिन्दी", "हिन्दी".replace("्", "")),
        ("\0--/%_", ""),
    ],
)
def test_a_name_is_folded_as_people_type_it(typed: str, folded: str):
    assert fold(typed) == folded


@given(st.text(max_size=80))
def test_folding_twice_is_folding_once(text: str):
    once = fold(text)

    assert fold(once) == once
    assert "\0" not in once


@given(st.text(max_size=400))
def test_every_later_word_begins_a_name_of_its_own(name: str):
    starts = word_starts(name)

    assert starts == [s for s in starts if 1 <= len(s) <= 100]
    assert all(starts[0][:100].find(later[:50]) >= 0 for later in starts[1:3] if len(name) <= 50)


def test_a_later_word_is_found():
    assert word_starts("Berlin central bus-station") == [
        "berlin central bus station",
        "central bus station",
        "bus station",
        "station",
    ]


def test_letters_are_counted_without_spaces_and_signs():
    assert letters(" a - b'") == 2
    assert letters("%%") == 0
