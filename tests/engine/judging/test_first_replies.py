"""A judge that mostly states no verdict stops its stage early, with the reasons counted."""

import pytest

from engine.backends.base import Completion
from engine.errors import ModelError
from engine.judging.first_replies import FirstReplies


def reply(text="So [[A]].", **more):
    return Completion(**{"key": "k", "sample": 0, "text": text, "tokens": 3, "finish": "stop"} | more)


def add_all(replies):
    first = FirstReplies("judge-v0", limit="judge.max_tokens")
    for one in replies:
        first.add(one)


def test_judge_without_verdicts_is_stopped_at_the_two_hundredth_reply_with_the_reasons():
    bad = (
        [reply("[[A]]", finish="length")] * 60
        + [reply("<think>so [[A]]")] * 30
        + [reply("I do not know")] * 10
        + [reply("", fault="answered 400")]
    )
    with pytest.raises(ModelError) as error:
        add_all([*bad, *[reply()] * 99])
    for words in ("101 of its first 200", "60 were cut off at judge.max_tokens", "30 never end their thinking",
                  "10 state no verdict", "1 the server does not answer", "answered 400"):  # fmt: skip
        assert words in str(error.value)


def test_judge_with_a_verdict_in_half_of_the_replies_goes_on():
    add_all([reply("hm")] * 100 + [reply()] * 100 + [reply("hm")] * 500)


def test_a_short_stage_is_not_judged_by_too_few_replies():
    add_all([reply("hm")] * 199)
