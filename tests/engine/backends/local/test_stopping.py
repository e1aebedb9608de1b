"""Where a reply ends, and pieces that never have to be taken back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from engine.backends.local.stopping import PieceReader, ReplyText


@pytest.fixture(scope="module")
def tokenizer(models):
    return AutoTokenizer.from_pretrained(models / "llava")


@pytest.fixture(scope="module")
def replies(tokenizer):
    return ReplyText(tokenizer)


def test_cut_keeps_the_stop_text_that_is_complete_first(replies):
    assert replies.cut("a [[B]] and [[A]]", ("[[A]]", "[[B]]")) == "a [[B]]"
    assert replies.cut("nothing", ("[[A]]",)) is None
    assert replies.cut("text", ()) is None


@given(text=st.text(max_size=40), stop=st.text(min_size=1, max_size=4))
def test_a_token_that_completes_a_stop_text_is_never_passed_over(replies, tokenizer, text, stop):
    ids = tokenizer.encode(text + stop, add_special_tokens=False)
    table = replies.may_complete((stop,), len(tokenizer))
    for length in range(1, len(ids) + 1):
        if replies.cut(replies.decode(ids[:length]), (stop,)) and not replies.cut(
            replies.decode(ids[: length - 1]), (stop,)
        ):
            assert table[ids[length - 1]]


@given(text=st.text(max_size=60))
def test_pieces_joined_are_the_whole_text(replies, tokenizer, text):
    ids = tokenizer.encode(text, add_special_tokens=False)
    reader = PieceReader(replies, stops=(), anchor=[])
    pieces = [reader.piece(ids[:length]) for length in range(1, len(ids) + 1)]
    whole = replies.decode(ids)
    assert "".join([*pieces, reader.last(whole)]) == whole


@given(text=st.text(alphabet="ab]é", max_size=30))
def test_pieces_end_with_the_stop_text(replies, tokenizer, text):
    ids = tokenizer.encode(text + "]]" + text, add_special_tokens=False)
    reader = PieceReader(replies, stops=("]]",), anchor=[])
    pieces = [reader.piece(ids[:length]) for length in range(1, len(ids) + 1)]
    whole = replies.decode(ids)
    assert "".join([*pieces, reader.last(whole)]) == whole[: whole.index("]]") + 2]


def test_text_behind_a_forced_beginning_leaves_the_beginning_out(replies, tokenizer):
    anchor = tokenizer.encode("The big ", add_special_tokens=False)
    ids = tokenizer.encode("red circle", add_special_tokens=False)
    assert replies.decode(ids, anchor) == "red circle"
