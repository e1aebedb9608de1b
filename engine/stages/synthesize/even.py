"""Closed pairs whose answer usually wins betray themselves without their picture: which of them are left out.

Neither a key nor a picture is looked at, only which answers the votes set against each other.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from engine.prompts import PromptPack, QuestionBank
from engine.records import Instruction, Pair
from engine.stages.synthesize.answers.final import final_answer
from engine.stages.synthesize.answers.normal import normalise

USUAL = "usual-answer"
_LEAD = 1
"""Wins beyond its losses that an answer may keep: exactly even would cost most pairs of answers that are rare."""


def evened(pairs: Sequence[Pair], instructions: Mapping[str, Instruction], pack: PromptPack) -> list[Pair]:
    """The same rows in their order, with some usable closed pairs dropped as `USUAL`.

    What is left wins as often as it loses, give or take one, answer by answer and for each question of the pack's bank
    by itself (other questions: each dimension). "No" wins most votes on "Is there any {shape}?", so without this a
    judge learns to say no. Deterministic, whatever the order of the rows.
    """
    patterns = _patterns(pack.questions)
    contests: dict[str, dict[str, tuple[str, str]]] = defaultdict(dict)
    for pair in pairs:
        if pair.kind == "closed" and pair.dropped is None:
            one = instructions[pair.instruction_id]
            asked = next((text for text, pattern in patterns.items() if pattern.fullmatch(one.question)), None)
            winner, loser = (_answer(said, one, pack) for said in (pair.preferred, pair.degraded))
            contests[asked or pair.dimension][pair.pair_id] = (winner, loser)
    left_out = {pair_id for group in contests.values() for pair_id in surplus(group)}
    return [replace(pair, dropped=USUAL) if pair.pair_id in left_out else pair for pair in pairs]


def surplus(contests: Mapping[str, tuple[str, str]]) -> Iterator[str]:
    """Of `id → (winner, loser)` the ids without which no answer leads by more than one win or trails by more than one.

    Few, not fewest: what goes next is a win of the answer that leads most over the one that trails most.
    """
    left: dict[tuple[str, str], list[str]] = defaultdict(list)
    lead: Counter[str] = Counter()
    for one in sorted(contests):
        winner, loser = contests[one]
        left[winner, loser].append(one)
        lead[winner] += 1
        lead[loser] -= 1
    while uneven := [met for met, ids in left.items() if ids and (lead[met[0]] > _LEAD or lead[met[1]] < -_LEAD)]:
        winner, loser = max(uneven, key=lambda met: (lead[met[0]] - lead[met[1]], met))
        lead[winner] -= 1
        lead[loser] += 1
        yield left[winner, loser].pop()


def _answer(said: str, one: Instruction, pack: PromptPack) -> str:
    """The answer that was counted as a vote; the text itself where nothing can be read, as for an oracle's."""
    found = final_answer(said, pack.final_answer)
    return (found and normalise(found, one.answer_type, one.choices)) or said


def _patterns(bank: QuestionBank) -> dict[str, re.Pattern[str]]:
    """Each closed question of the bank and what it looks like with its slots filled."""
    return {
        asked.question: re.compile(
            "".join(
                re.escape(piece) if place % 2 == 0 else f"(?:{'|'.join(map(re.escape, bank.slots.get(piece, ())))})"
                for place, piece in enumerate(re.split(r"\{(\w+)\}", asked.question))
            )
        )
        for asked in bank.closed
    }
