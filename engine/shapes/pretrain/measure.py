"""Measures the skills of an embedded model against the exact key: `python -m engine.shapes.pretrain.measure FOLDER`.

Scenes come from a seed space used for nothing else. Prints a table in Markdown, as in the model card.
"""

import argparse
import random
import re
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.backends.base import Backend, Message, Request, Sampling
from engine.backends.local.transformers import TransformersBackend
from engine.prompts import alteration_messages, answer_messages, judge_messages, load_pack, sentences
from engine.records import BenchmarkItem
from engine.shapes.benchmark import items
from engine.shapes.claims import DIMENSIONS, Claim, Has, Lacks, Total, describe, propose, text_of
from engine.shapes.looks import CLEAR, Look, seen_through
from engine.shapes.pretrain.corpus import CLOSED_DIMENSIONS
from engine.shapes.questions import NUMBERS, Question, ask
from engine.shapes.scenes import COLOURS, PLACES, SHAPES, SIZES, Difficulty, Scene, draw, scene_seed
from engine.verdicts import read_verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One thing to ask."""

    image: Path
    messages: tuple[Message, ...]


def replies(backend: Backend, prompts: Sequence[Ask], *, temperature: float, max_tokens: int = 340) -> list[str]:
    """One reply per prompt, in their order; temperature 0 is greedy."""
    sampling = Sampling(temperature=temperature, max_tokens=max_tokens)
    requests = [
        Request(key=str(i), messages=p.messages, image=p.image, sampling=sampling, seed=i)
        for i, p in enumerate(prompts)
    ]
    found = {int(completion.key): completion.text for completion in backend.generate(requests)}
    return [found[i] for i in range(len(prompts))]


@dataclass(slots=True)
class Tally:
    """Hits and trials per label."""

    hits: dict[str, int]
    trials: dict[str, int]

    @classmethod
    def empty(cls) -> "Tally":
        return cls(defaultdict(int), defaultdict(int))

    def add(self, hit: bool, *labels: str) -> None:
        """Count one trial under each of its labels and under "all"."""
        for name in (*labels, "all"):
            self.hits[name] += hit
            self.trials[name] += 1

    def rows(self, title: str) -> list[str]:
        """Markdown rows: what, which, n, share, 95 % Wilson interval."""
        lines = []
        for label, n in self.trials.items():
            low, high = wilson(self.hits[label], n)
            lines.append(f"| {title} | {label} | {n} | {self.hits[label] / n:.3f} | {low:.3f}-{high:.3f} |")
        return sorted(lines, key=lambda line: ("| all |" not in line, line))


def wilson(hits: int, n: int) -> tuple[float, float]:
    """The 95 % score interval of a share (Wilson 1927)."""
    z = 1.96
    share, spread = hits / n, z * z / n
    middle = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * (share * (1 - share) / n + spread / (4 * n)) ** 0.5
    return max(0.0, middle - half), min(1.0, middle + half)


def scenes(count: int, difficulty: Difficulty, seed: int, folder: Path, look: Look = CLEAR) -> list[tuple[Path, Scene]]:
    """Pictures, written to `folder`, and keys kept for measuring."""
    drawn: list[tuple[Path, Scene]] = []
    for index in range(count):
        number = scene_seed("measure", seed, index)
        image, scene = draw(number, difficulty)
        path = folder / f"scene-{index:05d}.png"
        seen_through(image, look, number).save(path)
        drawn.append((path, scene))
    return drawn


def answering(backend: Backend, drawn: Sequence[tuple[Path, Scene]], temperature: float) -> Tally:
    """Closed questions answered right, per dimension."""
    pack, rng, tally = load_pack("shapes"), random.Random(0), Tally.empty()
    asked: list[Question] = [
        ask(scene, rng, CLOSED_DIMENSIONS[i % len(CLOSED_DIMENSIONS)]) for i, (_, scene) in enumerate(drawn)
    ]
    prompts = [
        Ask(image=image, messages=answer_messages(pack, "closed", question.text))
        for (image, _), question in zip(drawn, asked, strict=True)
    ]
    for question, text in zip(asked, replies(backend, prompts, temperature=temperature, max_tokens=24), strict=True):
        said = re.search(pack.final_answer, text)
        right = said is not None and said["answer"].strip() == question.answer.text
        tally.add(right, question.template.dimension)
    return tally


def describing(backend: Backend, drawn: Sequence[tuple[Path, Scene]], temperature: float) -> Tally:
    """Descriptions without any fault: total, the objects that are mentioned, an absent colour that is absent."""
    pack, tally = load_pack("shapes"), Tally.empty()
    prompts = [
        Ask(image=image, messages=answer_messages(pack, "open", pack.questions.open[i % 4]))
        for i, (image, _) in enumerate(drawn)
    ]
    for (_, scene), text in zip(drawn, replies(backend, prompts, temperature=temperature, max_tokens=96), strict=True):
        claims = [read_claim(sentence) for sentence in sentences(text)]
        tally.add(bool(claims) and all(claim is not None and claim.holds(scene) for claim in claims), scene.difficulty)
    return tally


def altering(backend: Backend, drawn: Sequence[tuple[Path, Scene]], temperature: float) -> Tally:
    """Edit proposals that damage exactly one detail, of the dimension asked for."""
    pack, rng, tally = load_pack("shapes"), random.Random(0), Tally.empty()
    work: list[tuple[Scene, str, list[Claim]]] = []
    prompts: list[Ask] = []
    for i, (image, scene) in enumerate(drawn):
        dimension, claims = DIMENSIONS[i % len(DIMENSIONS)], describe(scene, rng)
        if propose(scene, claims, dimension, rng) is None:
            continue  # every colour of the picture is mentioned already
        work.append((scene, dimension, claims))
        messages = alteration_messages(pack, dimension, "Describe the picture.", text_of(claims))
        prompts.append(Ask(image=image, messages=messages))
    for (scene, dimension, claims), text in zip(
        work, replies(backend, prompts, temperature=temperature, max_tokens=40), strict=True
    ):
        tally.add(valid_edit(scene, dimension, claims, text), dimension)
    return tally


def valid_edit(scene: Scene, dimension: str, claims: list[Claim], text: str) -> bool:
    """The proposal names a word that is there and another of the same sort, and what results is false."""
    said = re.search(load_pack("shapes").alteration.edit_pattern or "", text)
    if not said or not 1 <= int(said["n"]) <= len(claims) or said["old"] == said["new"]:
        return False
    claim = claims[int(said["n"]) - 1]
    if f" {said['old']} " not in f" {claim.sentence().removesuffix('.')} ":
        return False
    damaged = read_claim(claim.sentence().replace(said["old"], said["new"], 1))
    return damaged is not None and _dimension(claim, damaged) == dimension and not damaged.holds(scene)


def read_claim(sentence: str) -> Claim | None:
    """The claim a sentence states, or None when it is not one of the shapes world."""
    words = sentence.removesuffix(".").split()
    claim: Claim | None = None
    place = " ".join(words[1:3])
    if len(words) == 8 and place in PLACES and words[5] in SIZES and words[6] in COLOURS and words[7] in SHAPES:
        claim = Has(place=place, size=words[5], colour=words[6], shape=words[7])
    elif len(words) == 5 and words[3] in NUMBERS:
        claim = Total(number=words[3])
    elif len(words) == 5 and words[4] in COLOURS:
        claim = Lacks(colour=words[4])
    return claim if claim is not None and claim.sentence() == sentence else None


def _dimension(before: Claim, after: Claim) -> str | None:
    names = {"number": "count", "place": "position", "size": "attribute", "colour": "attribute", "shape": "shape"}
    if isinstance(before, Lacks):
        return "existence"
    changed = [name for name in names if getattr(before, name, None) != getattr(after, name, None)]
    return names[changed[0]] if len(changed) == 1 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeTallies:
    """What the judge made of the items: right per order, right in both, how often it says A."""

    right: Tally
    strict: Tally
    says_a: Tally
    texts: list[str]


def judging(backend: Backend, judged: Sequence[BenchmarkItem], *, temperature: float) -> JudgeTallies:
    """Every item in both orders. Labels are "kind dimension" and, for `right`, also the order."""
    pack = load_pack("shapes")
    prompts: list[Ask] = []
    for item in judged:
        for a, b in ((item.preferred, item.degraded), (item.degraded, item.preferred)):
            prompts.append(Ask(image=Path(item.image), messages=judge_messages(pack, item.question, a, b)))
    texts = replies(backend, prompts, temperature=temperature)
    result = JudgeTallies(right=Tally.empty(), strict=Tally.empty(), says_a=Tally.empty(), texts=texts)
    for i, item in enumerate(judged):
        label = f"{item.kind} {item.dimension}"
        ab, ba = texts[2 * i], texts[2 * i + 1]
        hits = (read_verdict(ab) == "A", read_verdict(ba) == "B")
        result.strict.add(all(hits), label, item.kind)
        for order, hit, text in (("AB", hits[0], ab), ("BA", hits[1], ba)):
            result.right.add(hit, f"{label} {order}")
            result.says_a.add(read_verdict(text) == "A", item.kind)
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m engine.shapes.pretrain.measure", description=__doc__)
    parser.add_argument("folder", type=Path, help="folder of the model")
    parser.add_argument("--count", type=int, default=660, help="scenes, and items, per measurement")
    parser.add_argument("--difficulty", choices=("easy", "normal", "hard"), default="normal")
    parser.add_argument("--look", choices=("clear", "fog", "night"), default="clear")
    parser.add_argument("--look-from", type=float, default=0.0)
    parser.add_argument("--look-to", type=float, default=0.8)
    parser.add_argument("--only", choices=("skills", "judge"), help="leave out the other half")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 = all")
    options = parser.parse_args(arguments)
    look = Look(name=options.look, low=options.look_from, high=options.look_to)
    backend = TransformersBackend(options.folder, device="cpu", threads=options.threads or None)
    print("| skill | of | n | share | 95 % |\n| --- | --- | --- | --- | --- |", flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.only != "judge":
            _print_skills(backend, scenes(options.count, options.difficulty, 0, folder, look))
        if options.only != "skills":
            judged = items(
                count=options.count, seed=0, folder=folder, difficulty=options.difficulty, space="measure", look=look
            )
            _print_judge(backend, judged)
    return 0


def _print_skills(backend: Backend, drawn: Sequence[tuple[Path, Scene]]) -> None:
    measured: list[tuple[str, Callable[..., Tally], float]] = [
        ("answers, greedy", answering, 0.0), ("answers, T = 1", answering, 1.0),
        ("exact descriptions, greedy", describing, 0.0), ("exact descriptions, T = 0.7", describing, 0.7),
        ("valid edits, T = 0.7", altering, 0.7),
    ]  # fmt: skip
    for title, measure, temperature in measured:
        print("\n".join(measure(backend, drawn, temperature).rows(title)), flush=True)


def _print_judge(backend: Backend, judged: Sequence[BenchmarkItem]) -> None:
    for title, temperature in (("judge, greedy", 0.0), ("judge, T = 1", 1.0)):
        made = judging(backend, judged, temperature=temperature)
        for what, tally in (("strict", made.strict), ("right", made.right), ("says A", made.says_a)):
            if temperature == 0 or what == "strict":
                print("\n".join(tally.rows(f"{title}: {what}")), flush=True)


if __name__ == "__main__":
    sys.exit(main())
