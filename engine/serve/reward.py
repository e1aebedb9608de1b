"""A reward function that TRL's GRPOTrainer takes as it is: how often a judge prefers a completion to its rivals.

    from engine.serve import open_judge, pairwise_reward

    with open_judge("shapes-01/best") as judge:
        GRPOTrainer(model, reward_funcs=pairwise_reward(judge), train_dataset=rows_with_prompt_and_image).train()

The judge may run elsewhere: `pairwise_reward("http://127.0.0.1:8008", key="…")` asks `judge-studio serve`.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import Any

from engine.errors import UsageError
from engine.judging.ruling import Outcome
from engine.serve.client import JudgeByUrl
from engine.serve.use import Contest, OpenJudge

_CHANCE: Mapping[Outcome, float | None] = {"A": 1.0, "B": 0.0, "tie": 0.5, "order-flip": 0.5, "invalid": None}
"""How likely answer a is the better one, where the judge's backend cannot be asked for odds."""


def pairwise_reward(
    judge: OpenJudge | str, *, rivals: int = 1, against: str | None = None, key: str | None = None
) -> Callable[..., list[float | None]]:
    """A function with TRL's signature (`prompts, completions, **columns`): a reward in [0, 1] per completion.

    `judge`: an `OpenJudge`, or the address of a `judge-studio serve` (with its `key`). The picture comes from the
    column `image` or `images`, or from the prompt itself. Each completion is compared with the next `rivals` of its
    prompt, around in a ring and in both orders, so it meets twice as many; its reward is the mean chance that it is
    the better one. `against` names a column with a reference answer to be compared with instead. A completion that
    got no verdict has the reward None, which TRL leaves out. Raises `UsageError` for what cannot be compared.
    """
    if rivals < 1:
        raise UsageError(f"rivals: is {rivals}, and a completion needs at least 1 to be compared with.")
    ruler = JudgeByUrl(judge, key=key) if isinstance(judge, str) else judge

    def judge_reward(prompts: Sequence[Any], completions: Sequence[Any], **columns: Any) -> list[float | None]:
        asked = [
            Contest(image=picture_of(prompt, columns, place), question=text_of(prompt, "user"), a=text, b="")
            for place, (prompt, text) in enumerate(
                zip(prompts, (text_of(c, "assistant") for c in completions), strict=True)
            )
        ]
        references = None if against is None else _column(columns, against)
        games = list(_ring(asked, rivals)) if references is None else [(place, None) for place in range(len(asked))]
        return _rewards(ruler, asked, games, references)

    return judge_reward


def _rewards(
    ruler: "OpenJudge | JudgeByUrl",
    asked: Sequence[Contest],
    games: Sequence[tuple[int, int | None]],
    references: Sequence[Any] | None,
) -> list[float | None]:
    """The mean chance of each completion over its games; the rival None is the reference answer of its row."""
    rounds = []
    for place, rival in games:
        one = asked[place]
        other = asked[rival].a if rival is not None else str((references or [])[place])
        rounds.append(Contest(image=one.image, question=one.question, a=one.a, b=other))
    chances: defaultdict[int, list[float]] = defaultdict(list)
    for (place, rival), ruling in zip(games, ruler.rule_all(rounds), strict=True):
        chance = _CHANCE[ruling.verdict] if ruling.prefers_a is None else ruling.prefers_a
        if chance is not None:
            chances[place].append(chance)
            if rival is not None:
                chances[rival].append(1 - chance)
    return [fmean(chances[place]) if chances[place] else None for place in range(len(asked))]


def _ring(asked: Sequence[Contest], rivals: int) -> Iterator[tuple[int, int]]:
    """Who meets whom: neighbours in a ring over each run of rows with one prompt, every pair once."""
    borders = [
        place
        for place, (one, next_one) in enumerate(pairwise(asked), 1)
        if one.question != next_one.question or one.image != next_one.image
    ]
    for start, end in pairwise([0, *borders, len(asked)]):
        size = end - start
        met = {
            tuple(sorted((start + place, start + (place + step) % size)))
            for step in range(1, min(rivals, size - 1) + 1)
            for place in range(size)
        }
        yield from sorted(met)  # type: ignore[misc]


def text_of(turns: Any, role: str) -> str:
    """The last text of `role` in a conversation, or the plain text that stands for one."""
    if isinstance(turns, str):
        return turns
    for turn in reversed(list(turns)):
        if turn["role"] == role:
            content = turn["content"]
            parts = [content] if isinstance(content, str) else [p["text"] for p in content if p.get("type") == "text"]
            return "\n".join(parts).strip()
    raise UsageError(f"reward: a prompt or completion has no message of the {role}. Give TRL's conversational form.")


def picture_of(prompt: Any, columns: Mapping[str, Any], place: int) -> Any:
    """The one picture of a row, None where it has none. Raises `UsageError` for several."""
    found = [columns["image"][place]] if columns.get("image") else list((columns.get("images") or {place: ()})[place])
    if not found and not isinstance(prompt, str):
        parts = [part for turn in prompt if not isinstance(turn["content"], str) for part in turn["content"]]
        found = [part["image"] for part in parts if part.get("image") is not None]
    if len(found) > 1:
        raise UsageError(f"reward: row {place} has {len(found)} pictures, and this judge looks at one.")
    if found and isinstance(found[0], Mapping):  # a picture that `datasets` did not decode
        return found[0]["bytes"] or Path(found[0]["path"])
    return found[0] if found else None


def _column(columns: Mapping[str, Any], name: str) -> Sequence[Any]:
    if name not in columns:
        raise UsageError(f"against: there is no column '{name}'. Columns are: {', '.join(sorted(columns)) or 'none'}.")
    found: Sequence[Any] = columns[name]
    return found
