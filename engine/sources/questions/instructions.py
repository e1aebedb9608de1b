"""Images → instructions: which images are held out, and which questions are asked about each.

Every choice hangs on the image's own id and the seed, so it is the same in every run and whatever the order.
Questions written by the model are in `engine.sources.questions.written`.
"""

import hashlib
import random
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from engine.config import SourceSettings
from engine.errors import SettingsError, SourceError
from engine.prompts import QuestionBank
from engine.records import AnswerType, ImageRow, Instruction, Kind, content_id, seed_for
from engine.sources.questions.kinds import apart, kind_of
from engine.sources.take_in import Asked

_SLOT = re.compile(r"\{(\w+)\}")
_TRIES = 8
"""Fillings of one template tried for a question that this image does not have yet."""


def held_out_images(image_ids: Iterable[str], share: float, twins: Mapping[str, str] | None = None) -> frozenset[str]:
    """The images set apart for evaluation: those whose own hash falls below `share`.

    Images that look the same (`twins`: image → smallest id of its group) fall on one side, by that id's hash: else a
    judge is asked about pictures that it was trained on. An image falls on the same side in every run, whatever else
    is there but twins of it. Only where that would leave one side of a small source empty, the group nearest to the
    border changes sides.
    """
    members: dict[str, list[str]] = {}
    for image_id in set(image_ids):
        members.setdefault((twins or {}).get(image_id, image_id), []).append(image_id)
    if share <= 0.0 or len(members) < 2:
        return frozenset()
    by_place = sorted(members, key=_place)
    count = sum(_place(group) < share for group in by_place)
    held_out = by_place[: min(max(count, 1), len(by_place) - 1)]
    return frozenset(image_id for group in held_out for image_id in members[group])


def bank_instructions(
    images: Iterable[ImageRow],
    bank: QuestionBank,
    settings: SourceSettings,
    *,
    held_out: frozenset[str],
    seed: int,
) -> Iterator[Instruction]:
    """`questions_per_image` different questions of the pack's bank for every image, fewer if the bank has fewer.

    On average `open_share` of them are open. Raises `SettingsError` if a template has a slot without a list.
    """
    for image in images:
        rng = random.Random(seed_for("question bank", seed, image.image_id))
        wanted = settings.questions_per_image
        # Rounded up or down at random, so that the share is met over many images, not in each.
        open_count = int(wanted * settings.open_share + rng.random()) if bank.closed else wanted
        opened = rng.sample(bank.open, min(open_count, len(bank.open)))
        for question in opened:
            yield instruction(image.image_id, question, kind="open", held_out=held_out)
        yield from _closed(image.image_id, bank, wanted - open_count, rng, held_out)


def own_instructions(asked: Sequence[Asked], *, held_out: frozenset[str]) -> Iterator[Instruction]:
    """The questions that came with the source, each once.

    Raises `SourceError` if there are none.
    """
    if not asked:
        raise SourceError(
            "source.questions: is 'own', but no row of the source has a question that can be read: a text, or a "
            "conversation with something that the user says. Set source.question_column to another column, or use the "
            "question bank (source.questions=bank)."
        )
    seen: set[str] = set()
    for one in asked:
        question, choices = (one.question, one.choices) if one.choices else apart(one.question)
        kind, answer_type = kind_of(question, choices, one.answer)
        made = instruction(
            one.image_id,
            question,
            kind=kind,
            answer_type=answer_type,
            choices=choices,
            answer=_lettered(one.answer, choices),
            held_out=held_out,
        )
        if made.instruction_id not in seen:
            seen.add(made.instruction_id)
            yield made


def instruction(
    image_id: str,
    question: str,
    *,
    kind: Kind,
    held_out: frozenset[str],
    answer_type: AnswerType | None = None,
    dimension: str | None = None,
    choices: tuple[str, ...] = (),
    answer: str | None = None,
) -> Instruction:
    """One instruction with its id and split."""
    return Instruction(
        instruction_id=content_id(image_id, question, kind, *choices),
        image_id=image_id,
        question=question,
        kind=kind,
        answer_type=answer_type,
        dimension=dimension,
        choices=choices,
        answer=answer,
        split="held-out" if image_id in held_out else "train",
    )


def check_question_settings(settings: SourceSettings) -> None:
    """Raise `SettingsError` if columns are named that would not be read, or `own` names none."""
    if settings.questions == "own" and settings.question_column is None:
        raise SettingsError(
            "source.questions: is 'own', but source.question_column is empty. Name the column with the question."
        )
    if settings.questions != "own" and settings.question_column is not None:
        raise SettingsError(
            f"source.question_column: is '{settings.question_column}', but source.questions is "
            f"'{settings.questions}', which would not read it. Set source.questions=own, or empty the column."
        )


def _place(image_id: str) -> float:
    """A number in [0, 1) that belongs to the image for ever."""
    digest = hashlib.sha256(f"held-out/{image_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _closed(
    image_id: str, bank: QuestionBank, count: int, rng: random.Random, held_out: frozenset[str]
) -> Iterator[Instruction]:
    """`count` closed questions; every template once before any comes a second time with other slots."""
    asked: set[str] = set()
    while len(asked) < count:
        before = len(asked)
        for template in rng.sample(bank.closed, len(bank.closed)):
            if len(asked) == count:
                return
            for _ in range(_TRIES):
                question = _filled(template.question, bank.slots, rng)
                if question not in asked:
                    break
            else:
                continue
            asked.add(question)
            yield instruction(
                image_id,
                question,
                kind="closed",
                answer_type=template.answer_type,
                dimension=template.dimension,
                held_out=held_out,
            )
        if len(asked) == before:
            return


def _filled(template: str, slots: Mapping[str, Sequence[str]], rng: random.Random) -> str:
    """The template with each slot filled; `{other_x}` differs from `{x}`."""
    values: dict[str, str] = {}
    for name in dict.fromkeys(_SLOT.findall(template)):
        taken = values.get(name.removeprefix("other_"))
        fitting = [value for value in slots.get(name, ()) if value != taken]
        if not fitting:
            raise SettingsError(
                f"prompt pack: the question '{template}' has a slot {{{name}}} without values. Add them to slots."
            )
        values[name] = rng.choice(fitting)
    return _SLOT.sub(lambda found: values[found.group(1)], template)


def _lettered(answer: str | None, choices: tuple[str, ...]) -> str | None:
    """The letter of the right option where the source gives its text, its letter or its 0-based number."""
    if answer is None or not choices:
        return answer
    folded = [choice.casefold() for choice in choices]
    if answer.casefold() in folded:
        return chr(65 + folded.index(answer.casefold()))
    bare = answer.strip("(). ").upper()
    if len(bare) == 1 and 0 <= ord(bare) - 65 < len(choices):
        return bare
    if bare.isdecimal() and int(bare) < len(choices):
        return chr(65 + int(bare))
    return answer
