"""Prompt packs and the reading of verdicts."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.assets import assets_folder
from engine.errors import SettingsError
from engine.prompts import (
    PromptPack,
    alteration_messages,
    answer_messages,
    ask_messages,
    judge_messages,
    load_pack,
    numbered,
    sentences,
)
from engine.verdicts import read_verdict

PACKS = sorted(path.stem for path in (assets_folder() / "prompts").glob("*.yaml"))
SLOT = re.compile(r"\{\w+\}")
HEAD = "name: x\nquestions: {open: [q]}\njudge: j\n"
PIECES = st.lists(
    st.sampled_from(["[[A]]", "[[B]]", "[[C]]", "[[tie]]", "[[ A ]]", "[[D]]", "[A]", "A is better.", "[[", "]]", "\n"])
)


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("I see three. [[A]]", "A"),
        ("[[B]]", "B"),
        ("[[C]]", "tie"),
        ("[[tie]]", "tie"),
        ("[[ A ]]\nAs I said: [[A]]", "A"),
        ("[[A]] or [[B]]", "invalid"),
        ("[[A]] is fine, but [[C]].", "invalid"),
        ("Response A is better.", "invalid"),
        ("[A]", "invalid"),
        ("I say [[a]]", "invalid"),
        ("[[AB]]", "invalid"),
        ("", "invalid"),
    ],
)
def test_verdict_is_what_the_reply_states_once_or_consistently(text, verdict):
    assert read_verdict(text) == verdict


@given(before=PIECES, after=PIECES)
def test_verdict_of_two_texts_is_that_of_one_only_if_the_other_does_not_contradict(before, after):
    pieces = [[piece.replace("\n", " ") for piece in part] for part in (before, after)]  # on one line: no last word
    first, second, both = (read_verdict("x " + " ".join(part) + " x") for part in (*pieces, pieces[0] + pieces[1]))
    said = {verdict for verdict in (first, second) if verdict != "invalid"}
    if first == second:
        assert both == first
    elif len(said) == 2:
        assert both == "invalid"


@given(text=st.text(alphabet=st.characters(codec="utf-8", exclude_characters="[")))
def test_text_without_a_token_is_no_verdict(text):
    assert read_verdict(text) == "invalid"


@pytest.mark.parametrize("name", PACKS)
def test_shipped_pack_loads_and_fills_every_slot(name):
    pack = load_pack(name)
    texts = [
        answer_messages(pack, "open", "Q?")[0].text,
        answer_messages(pack, "closed", "Q?", ("red", "green"))[0].text,
        judge_messages(pack, "Q?", "One.", "Two.")[-1].text,
        *(alteration_messages(pack, dimension, "Q?", "One.")[0].text for dimension in pack.alteration.dimensions),
    ]
    if pack.ask is not None:
        texts.append(ask_messages(pack, 3)[0].text)
    assert [text for text in texts if SLOT.search(text)] == []


@pytest.mark.parametrize("name", PACKS)
def test_shipped_pack_has_values_for_every_slot_of_its_questions(name):
    bank = load_pack(name).questions
    used = {slot for one in bank.closed for slot in SLOT.findall(one.question)}
    assert used == {f"{{{slot}}}" for slot in bank.slots}
    assert len({one.question for one in bank.closed}) == len(bank.closed)


def test_default_pack_asks_for_reasons_before_one_verdict_and_offers_a_way_out_of_alterations():
    pack = load_pack("default")
    prompt = judge_messages(pack, "Q?", "One.", "Two.")[-1].text
    assert prompt.index("reasoning first") < prompt.index("[[A]]")
    assert prompt.index("One.") < prompt.index("Two.")
    assert all("NOT APPLICABLE" in text for text in pack.alteration.dimensions.values())


def test_responses_that_look_like_slots_stay_as_they_are():
    pack = load_pack("default")
    prompt = judge_messages(pack, "What is {b}?", "I say {question}", "I say {a}")[-1].text
    assert "What is {b}?" in prompt
    assert "I say {question}" in prompt
    assert "I say {a}" in prompt


def test_numbered_pack_shows_tagged_sentences():
    pack = load_pack("shapes")
    text = judge_messages(pack, "Q?", "One here. Two there.", "Three.")[-1].text
    assert "A1: One here. A2: Two there." in text
    assert "B1: Three." in text
    assert numbered("One.  \n Two.", "A") == "A1: One. A2: Two."


@given(text=st.text(alphabet=st.characters(codec="utf-8")))
def test_sentences_joined_are_the_text_with_folded_white_space(text):
    assert " ".join(sentences(text)) == " ".join(text.split())


def test_unknown_pack_is_refused_naming_those_there_are():
    with pytest.raises(SettingsError, match=r"no prompt pack at .*nothing.*default, shapes"):
        load_pack("nothing")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("name: [", "not a prompt pack"),
        ("name: x", "questions"),
        (f"{HEAD}alteration: {{form: edit, dimensions: {{a: b}}, edit_pattern: '('}}", "unterminated"),
        (f"{HEAD}alteration: {{form: edit, dimensions: {{a: b}}, edit_pattern: '(?P<n>1)'}}", "lacks the named groups"),
        (f"{HEAD}alteration: {{form: edit, dimensions: {{a: b}}}}", "edit_pattern"),
        (
            f"{HEAD}alteration: {{form: rewrite, dimensions: {{a: b}}}}\nfinal_answer: 'x'",
            "lacks the named group 'answer'",
        ),
    ],
)
def test_broken_pack_is_refused_naming_the_file(tmp_path: Path, text: str, found: str):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=re.escape(str(path))) as caught:
        load_pack(str(path))
    assert found in str(caught.value)


def test_pack_of_a_persons_own_is_loaded_from_its_path(tmp_path: Path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        "name: mine\nquestions: {open: [q]}\njudge: '{a} {b}'\nalteration: {form: rewrite, dimensions: {a: b}}"
    )
    assert isinstance(load_pack(str(path)), PromptPack)
