"""From the replies to one instruction to its pair: a draft asks, takes what was said, and ends as exactly one row.

A draft knows neither batches nor files. Its seeds come from ids, never from position, so a resumed run draws the same.
"""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from engine.backends.base import Completion, Message, Request, Sampling
from engine.config import SynthesizeSettings
from engine.judging.asking import stored_text
from engine.prompts import PromptPack, alteration_messages, answer_messages, full_question
from engine.records import Instruction, Pair, Strategy, content_id, seed_for
from engine.stages.synthesize.alterations import TRY_ANOTHER_DIMENSION, Altered, read_alteration
from engine.stages.synthesize.answers.final import final_answer
from engine.stages.synthesize.answers.normal import normalise
from engine.stages.synthesize.answers.votes import Vote, comparable, vote
from engine.verdicts import after_thinking

REFUSED = "refused"
"""The model's server does not answer the request; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What every draft of one stage shares."""

    settings: SynthesizeSettings
    pack: PromptPack
    dimensions: tuple[str, ...]
    """Dimensions of alterations."""
    images: Mapping[str, Path]
    writer: str
    iteration: int
    seed: int

    def ask(
        self, one: Instruction, messages: tuple[Message, ...], *, purpose: str, n: int = 1, temperature: float
    ) -> Request:
        sampling = Sampling(
            temperature=temperature,
            top_p=self.settings.top_p,
            top_k=self.settings.top_k,
            max_tokens=self.settings.max_tokens,
        )
        return Request(
            key=one.instruction_id,
            messages=messages,
            image=self.images[one.image_id],
            n=n,
            sampling=sampling,
            seed=seed_for(self.seed, self.iteration, one.instruction_id, purpose),
            judge=self.writer,
        )

    def pair(
        self,
        one: Instruction,
        *,
        strategy: Strategy,
        dimension: str,
        preferred: str = "",
        degraded: str = "",
        votes: str | None = None,
        altered: str | None = None,
        dropped: str | None = None,
    ) -> Pair:
        return Pair(
            pair_id=content_id("pair", self.iteration, one.instruction_id, preferred, degraded),
            instruction_id=one.instruction_id,
            image_id=one.image_id,
            question=full_question(one.question, one.choices),
            kind=one.kind,
            strategy=strategy,
            dimension=dimension,
            preferred=preferred,
            degraded=degraded,
            votes=votes,
            altered=altered,
            writer=self.writer,
            dropped=dropped,
        )

    def dice(self, one: Instruction, purpose: str) -> random.Random:
        return random.Random(seed_for(self.seed, self.iteration, one.instruction_id, purpose))


class Draft(Protocol):
    """One instruction on its way to a pair."""

    @property
    def instruction(self) -> Instruction: ...

    def request(self) -> Request:
        """What is to be asked next."""

    def take(self, replies: Sequence[Completion]) -> Pair | None:
        """All samples of that request, in order; returns the finished pair, or None to ask again."""


def heard(reply: Completion) -> str:
    """What a response says: not what its writer thought before; for one that never came, why."""
    return stored_text(reply) if reply.fault else after_thinking(reply.text)


def draft(desk: Desk, instruction: Instruction) -> Draft:
    """A new draft of the instruction's kind."""
    return OpenDraft(desk, instruction) if instruction.kind == "open" else ClosedDraft(desk, instruction)


class ClosedDraft:
    """Many samples of one question: the majority answer against another one."""

    def __init__(self, desk: Desk, instruction: Instruction) -> None:
        self.desk = desk
        self.instruction = instruction
        self.dimension = instruction.dimension or instruction.answer_type or "answer"

    def request(self) -> Request:
        one, desk = self.instruction, self.desk
        messages = answer_messages(desk.pack, one.kind, one.question, one.choices)
        settings = desk.settings
        return desk.ask(one, messages, purpose="response", n=settings.samples, temperature=settings.temperature)

    def take(self, replies: Sequence[Completion]) -> Pair:
        desk = self.desk
        texts = [heard(reply) for reply in replies]
        answers = comparable(
            [
                None if reply.fault or reply.finish == "length" else self._answer(text)
                for reply, text in zip(replies, texts, strict=True)
            ]
        )
        counted = vote(answers, desk.settings.min_votes)
        if desk.settings.strategy == "oracle":
            winner, reason = self._oracle(counted)
        else:
            winner, reason = counted.winner, counted.reason
        if all(reply.fault for reply in replies):
            reason = REFUSED
        elif not any(texts):
            reason = "empty"
        shown = winner if winner is not None else next(iter(counted.counts), None)
        right = [text for text, answer in zip(texts, answers, strict=True) if answer == shown is not None]
        wrong = [text for text, answer in zip(texts, answers, strict=True) if answer not in (shown, None)]
        dice = desk.dice(self.instruction, "choice")
        return desk.pair(
            self.instruction,
            strategy=desk.settings.strategy,
            dimension=self.dimension,
            preferred=dice.choice(right) if right else "" if wrong else texts[0],
            degraded=dice.choice(wrong) if wrong else "",
            votes=json.dumps(counted.counts, ensure_ascii=False),
            dropped=reason,
        )

    def _answer(self, text: str) -> str | None:
        found = final_answer(text, self.desk.pack.final_answer)
        return None if found is None else self._normal(found)

    def _normal(self, answer: str) -> str | None:
        return normalise(answer, self.instruction.answer_type, self.instruction.choices)

    def _oracle(self, counted: Vote) -> tuple[str | None, str | None]:
        """The source's own answer instead of the majority (ablation of arXiv 2512.05145), and why it may not do."""
        answer = None if self.instruction.answer is None else self._normal(self.instruction.answer)
        if answer is None:
            return None, "no-answer"
        if not counted.counts:
            return answer, "unreadable"
        if answer not in counted.counts:
            return answer, "never-right"
        return answer, "unanimous" if len(counted.counts) == 1 else None


class OpenDraft:
    """One response, then the same response with one detail altered by the model that wrote it."""

    def __init__(self, desk: Desk, instruction: Instruction) -> None:
        self.desk = desk
        self.instruction = instruction
        self.response: str | None = None
        self.tries = 0
        self.place = 0
        self.dimensions = list(desk.dimensions)
        desk.dice(instruction, "dimension").shuffle(self.dimensions)

    @property
    def dimension(self) -> str:
        return self.dimensions[self.place % len(self.dimensions)]

    def request(self) -> Request:
        one, desk = self.instruction, self.desk
        if self.response is None:
            messages = answer_messages(desk.pack, one.kind, one.question, one.choices)
            asked = desk.settings.open_temperature
            temperature = desk.settings.temperature if asked is None else asked
            return desk.ask(one, messages, purpose="response", temperature=temperature)
        messages = alteration_messages(desk.pack, self.dimension, one.question, self.response)
        purpose = f"alteration {self.tries}"
        return desk.ask(one, messages, purpose=purpose, temperature=desk.settings.alteration_temperature)

    def take(self, replies: Sequence[Completion]) -> Pair | None:
        (reply,) = replies
        if self.response is None:
            return self._take_response(reply)
        self.tries += 1
        if reply.fault:
            return self._end(degraded=heard(reply), dropped=REFUSED)
        outcome = read_alteration(self.desk.pack, self.response, heard(reply), self.desk.settings.max_length_change)
        if isinstance(outcome, Altered) and reply.finish == "stop":
            return self._end(degraded=outcome.text, altered=outcome.altered)
        reason = "truncated" if isinstance(outcome, Altered) or reply.finish == "length" else outcome.reason
        if self.tries >= self.desk.settings.alteration_tries:
            return self._end(degraded=outcome.text, dropped=reason)
        self.place += reason in TRY_ANOTHER_DIMENSION
        return None

    def _take_response(self, reply: Completion) -> Pair | None:
        self.response = heard(reply)
        if reply.fault:
            return self._end(dropped=REFUSED)
        if not self.response:
            return self._end(dropped="empty")
        return self._end(dropped="truncated") if reply.finish == "length" else None

    def _end(self, *, degraded: str = "", altered: str | None = None, dropped: str | None = None) -> Pair:
        return self.desk.pair(
            self.instruction,
            strategy="alteration",
            dimension=self.dimension,
            preferred=self.response or "",
            degraded=degraded,
            altered=altered,
            dropped=dropped,
        )
