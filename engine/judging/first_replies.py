"""The first replies of a stage: a judge that mostly states no verdict is not worth the hours that would follow."""

from collections import Counter

from engine.backends.base import Completion
from engine.errors import ModelError
from engine.judging.asking import verdict_of
from engine.verdicts import thinking_end

_FIRST = 200
"""Replies that are looked at: of a judge that states a verdict nine times in ten, never half are without one."""


class FirstReplies:
    """Counts the replies of `judge`. `limit` is the name of the setting that bounds their length."""

    def __init__(self, judge: str, *, limit: str) -> None:
        self._judge = judge
        self._limit = limit
        self._seen = 0
        self._why: Counter[str] = Counter()
        self._fault = ""

    def add(self, reply: Completion) -> None:
        """Raises `ModelError` at the 200th reply if more than half of them state no verdict, and says why they do not.

        What was stored stays stored: the run goes on from there once the cause is mended.
        """
        if self._seen >= _FIRST:
            return
        self._seen += 1
        if verdict_of(reply) == "invalid":
            self._why[self._cause(reply)] += 1
            self._fault = reply.fault or self._fault
        if self._seen == _FIRST and self._why.total() > _FIRST // 2:
            raise ModelError(self._sentence())

    def _cause(self, reply: Completion) -> str:
        if reply.fault:
            return "the server does not answer"
        if reply.finish == "length":
            return f"were cut off at {self._limit}"
        if thinking_end(reply.text) is None:
            return "never end their thinking"
        return "state no verdict, or several"

    def _sentence(self) -> str:
        causes = ", ".join(f"{count} {cause}" for cause, count in self._why.most_common())
        fault = f" The server said: {self._fault}." if self._fault else ""
        return (
            f"{self._judge}: {self._why.total()} of its first {_FIRST} replies give no verdict ({causes}).{fault} "
            f"Raise {self._limit} if they were cut off; else look at the stored replies, and use a model or a prompt "
            "pack (model.prompts) that ends with [[A]] or [[B]]."
        )
