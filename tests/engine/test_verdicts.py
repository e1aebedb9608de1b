"""Reading replies: thinking of every kind, the verdict on the last line, and places at which odds are asked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.verdicts import after_thinking, read_verdict, stated

THINKING = [
    "<think>[[B]] at first, no.</think>", "[[B]] at first, no.</think>", "<thinking>\n[[B]]\n</thinking>",
    "◁think▷[[B]]◁/think▷", "[THINK][[B]][/THINK]", "<|channel|>analysis<|message|>[[B]]<|end|>"
    "<|start|>assistant<|channel|>final<|message|>", "analysis[[B]]assistantfinal", "<seed:think>[[B]]</seed:think>",
    "<|START_THINKING|>[[B]]<|END_THINKING|>", "<think>one [[B]]</think><think>two [[B]]</think>",
    "<|begin_of_thought|>[[B]]<|end_of_thought|>",
]  # fmt: skip


@pytest.mark.parametrize("thinking", THINKING)
def test_reply_of_a_thinking_model_is_read_behind_its_last_closing_tag(thinking):
    assert read_verdict(f"{thinking}\nThe first is right. [[A]]") == "A"
    assert after_thinking(f"{thinking}\n It says [[A]]. ") == "It says [[A]]."
    assert read_verdict(thinking) == "invalid", "it decided nothing after thinking"


@pytest.mark.parametrize("opening", ["<think>", "◁think▷", "[THINK]", "<|channel|>analysis<|message|>", "<Thinking>"])
def test_thinking_that_is_not_closed_is_no_verdict(opening):
    assert read_verdict(f"{opening}I am sure it is\n[[A]]") == "invalid"
    assert read_verdict(f"{opening}no</think>so{opening}\n[[A]]") == "invalid"
    assert after_thinking(f"{opening}I am") == ""


@pytest.mark.parametrize(
    "line",
    ["[[A]]", "**[[A]]**", "`[[A]]`", "  [[ a ]].  ", "［［Ａ］］", "［［ａ］］", "\\boxed{A}", "$\\boxed{[[A]]}$",
     "\\boxed{\\text{A}}", "### [[A]]", "“[[A]]”", "> **[[A]]**\n\n"],
)  # fmt: skip
def test_last_line_that_holds_one_token_is_the_verdict_whatever_was_said_before(line):
    assert read_verdict(f"B writes [[B]] and \\boxed{{B}}.\n[[B]]\n{line}") == "A"


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("[[A]]\n[[B]]", "B"),
        ("[[A]]\n[[B]] [[A]]", "invalid"),
        ("no [[A]]\nso [[B]]", "invalid"),
        ("[[TIE]]", "tie"), ("so [[Tie]].", "tie"), ("**[[tie]]**", "tie"), ("[[c]]", "tie"),
        ("I find [[a]] there", "invalid"),
        ("[[A>B]]", "invalid"), ("[[D]]", "invalid"), ("[[А]]", "invalid"), ("[[A] ]", "invalid"),
        ("\\boxed{A} is what I say", "invalid"),
    ],
)  # fmt: skip
def test_other_lines_follow_the_rule_of_one_verdict_in_all(text, verdict):
    assert read_verdict(text) == verdict


@pytest.mark.parametrize(
    ("reply", "before", "choices"),
    [
        ("It is [[1, 2], [3, 4]]. Verdict: [[A]]", "It is [[1, 2], [3, 4]]. Verdict: ", "[[A]] [[B]]"),
        ("See [[wiki link]]. [[B]]", "See [[wiki link]]. ", "[[A]] [[B]]"),
        ("<think>[[B]]</think>\n[[A]]", "<think>[[B]]</think>\n", "[[A]] [[B]]"),
        ("A says [[B]].\n**［［ａ］］**", "A says [[B]].\n**", "［［ａ］］ ［［ｂ］］"),
        ("so\n\\boxed{b}", "so\n", "\\boxed{a} \\boxed{b}"),
    ],
)  # fmt: skip
def test_odds_belong_to_the_place_of_the_verdict_in_the_form_it_has_there(reply, before, choices):
    found = stated(reply)
    assert found is not None
    assert reply[: found.start] == before
    assert " ".join((found.instead("A"), found.instead("B"))) == choices


PIECES = ["[", "[[", "]]", "A", "b", "\n", " ", "*", "\\boxed{", "}", "<think>", "</think>", "Ａ", "[[B]]"]


@given(st.lists(st.sampled_from(PIECES)).map("".join))
def test_a_stated_verdict_is_what_its_token_says(text):
    found = stated(text)
    if found is not None:
        assert text[found.start : found.end] == found.token
        assert found.instead({"A": "A", "B": "B"}.get(found.verdict, "A")) == found.token or found.verdict == "tie"
