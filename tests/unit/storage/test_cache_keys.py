"""The key of what is computed from a video: stable, and another one for any other input."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.storage.cache.keys import ModelIdentity, compose_key

texts = st.text(max_size=8)
models = st.builds(ModelIdentity, texts, texts, texts, st.lists(texts, max_size=3).map(tuple))
inputs = st.tuples(
    texts,
    st.lists(models, max_size=3),
    st.dictionaries(texts, st.none() | st.integers() | st.booleans() | texts, max_size=3),
)


@given(inputs, inputs)
def test_keys_are_equal_only_if_all_inputs_are(
    left: tuple[str, list[ModelIdentity], dict[str, object]],
    right: tuple[str, list[ModelIdentity], dict[str, object]],
) -> None:
    keys = [compose_key(*one) for one in (left, right)]  # type: ignore[arg-type]
    # JSON distinguishes True and 1, which Python's comparison does not.
    assert (keys[0] == keys[1]) is (repr(normalized(left)) == repr(normalized(right)))


def normalized(one: tuple[str, list[ModelIdentity], dict[str, object]]) -> object:
    return one[0], one[1], sorted(one[2].items())


def test_order_of_options_makes_no_difference() -> None:
    assert compose_key("c", [], {"a": 1, "b": 2}) == compose_key("c", [], {"b": 2, "a": 1})


def test_key_never_changes() -> None:
    """A changed key would make every cache of every installation useless."""
    model = ModelIdentity("clip", "revision", "1", ("pooled",))
    named = (
        '{"content":"content","models":[{"name":"clip","outputs":["pooled"],'
        '"preprocessing":"1","revision":"revision"}],"options":{"frames":32}}'
    )
    key = compose_key("content", [model], {"frames": 32})
    assert key == hashlib.sha256(named.encode()).hexdigest()
    assert key == "ce629c6590c41a6e3a4df895dbd1a5472887017149ade15a02388f5f1fbb0a09"


@pytest.mark.parametrize("option", [float("nan"), object()])
def test_option_that_is_no_json_is_refused(option: object) -> None:
    with pytest.raises((ValueError, TypeError)):
        compose_key("content", [], {"option": option})  # type: ignore[dict-item]
