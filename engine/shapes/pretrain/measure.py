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
from engine.prompts import alteration_messages, answer_messages, judge_messages, load_pack
from engine.records import BenchmarkItem
from engine.shapes.benchmark import items
from engine.shapes.claims import DIMENSIONS, Claim, describe, text_of
from engine.shapes.pretrain.corpus import CLOSED_DIMENSIONS
from engine.shapes.pretrain.traces import CAREFUL
from engine.shapes.questions import Question, ask
from engine.shapes.scenes import Difficulty, Scene, draw, scene_seed
from engine.verdicts import read_verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One thing to ask."""

    image: Path
    messages: tuple[Message, ...]
    prefix: str = ""
    """What the reply is made to start with; part of the returned text."""


def replies(backend: Backend, prompts: Sequence[Ask], *, temperature: float, max_tokens: int = 340) -> list[str]:
    """One reply per prompt, in their order; temperature 0 is greedy."""
    sampling = Sampling(temperature=temperature, max_tokens=max_tokens)
    requests = [
        Request(key=str(i), messages=p.messages, image=p.image, sampling=sampling, seed=i, prefix=p.prefix)
        for i, p in enumerate(prompts)
    ]
    found = {int(completion.key): completion.text for completion in backend.generate(requests)}
    return [prompt.prefix + found[i] for i, prompt in enumerate(prompts)]


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


def scenes(count: int, difficulty: Difficulty, seed: int, folder: Path) -> list[tuple[Path, Scene]]:
    """Pictures, written to `folder`, and keys kept for measuring."""
    drawn: list[tuple[Path, Scene]] = []
    for index in range(count):
        image, scene = draw(scene_seed("measure", seed, index), difficulty)
        path = folder / f"scene-{index:05d}.png"
        image.save(path)
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
    """Descriptions without any fault: total, every object, an absent colour that is absent."""
    pack, tally = load_pack("shapes"), Tally.empty()
    prompts = [
        Ask(image=image, messages=answer_messages(pack, "open", pack.questions.open[i % 4]))
        for i, (image, _) in enumerate(drawn)
    ]
    for (_, scene), text in zip(drawn, replies(backend, prompts, temperature=temperature, max_tokens=96), strict=True):
        truths = {text_of([*describe(scene, random.Random(i))]) for i in range(60)}  # every absent colour
        tally.add(text in truths, scene.difficulty)
    return tally


def altering(backend: Backend, drawn: Sequence[tuple[Path, Scene]], temperature: float) -> Tally:
    """Edit proposals that damage exactly one detail, of the dimension asked for."""
    pack, rng, tally = load_pack("shapes"), random.Random(0), Tally.empty()
    work: list[tuple[Scene, str, list[Claim]]] = []
    prompts: list[Ask] = []
    for i, (image, scene) in enumerate(drawn):
        dimension, claims = DIMENSIONS[i % len(DIMENSIONS)], describe(scene, rng)
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
    words = claim.sentence().removesuffix(".").split()
    if said["old"] not in words:
        return False
    changed = " ".join(said["new"] if word == said["old"] else word for word in words) + "."
    damaged = read_claim(changed)
    return damaged is not None and _dimension(claim, damaged) == dimension and not damaged.holds(scene)


def read_claim(sentence: str) -> Claim | None:
    """The claim a sentence states, or None when it is not one of the shapes world."""
    from engine.shapes.claims import Has, Lacks, Total
    from engine.shapes.questions import NUMBERS
    from engine.shapes.scenes import COLOURS, PLACES, SHAPES, SIZES

    words = sentence.removesuffix(".").split()
    if len(words) != 8:
        return None
    place = " ".join(words[1:3])
    candidates: list[Claim] = [
        Total(number=words[7]),
        Lacks(colour=words[7]),
        Has(place=place, size=words[5], colour=words[6], shape=words[7]),
    ]
    known = {
        Total: words[7] in NUMBERS, Lacks: words[7] in COLOURS,
        Has: place in PLACES and words[5] in SIZES and words[6] in COLOURS and words[7] in SHAPES,
    }  # fmt: skip
    return next((c for c in candidates if known[type(c)] and c.sentence() == sentence), None)


def _dimension(before: Claim, after: Claim) -> str | None:
    names = {"number": "count", "place": "position", "size": "attribute", "colour": "attribute", "shape": "shape"}
    if type(before).__name__ == "Lacks":
        return "existence"
    changed = [name for name in names if getattr(before, name, None) != getattr(after, name, None)]
    return names[changed[0]] if len(changed) == 1 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What the judge made of the items: right per order, right in both, and how it went about it."""

    right: Tally
    strict: Tally
    lazy: Tally
    says_a: Tally
    texts: list[str]


def judging(backend: Backend, judged: Sequence[BenchmarkItem], *, temperature: float, prefix: str = "") -> Judged:
    """Every item in both orders. Labels are "kind dimension" and, for `right`, also the order."""
    pack = load_pack("shapes")
    prompts: list[Ask] = []
    for item in judged:
        for a, b in ((item.preferred, item.degraded), (item.degraded, item.preferred)):
            prompts.append(
                Ask(image=Path(item.image), messages=judge_messages(pack, item.question, a, b), prefix=prefix)
            )
    texts = replies(backend, prompts, temperature=temperature)
    result = Judged(right=Tally.empty(), strict=Tally.empty(), lazy=Tally.empty(), says_a=Tally.empty(), texts=texts)
    for i, item in enumerate(judged):
        label = f"{item.kind} {item.dimension}"
        ab, ba = texts[2 * i], texts[2 * i + 1]
        hits = (read_verdict(ab) == "A", read_verdict(ba) == "B")
        result.strict.add(all(hits), label, item.kind)
        for order, hit, text in (("AB", hits[0], ab), ("BA", hits[1], ba)):
            result.right.add(hit, f"{label} {order}")
            result.lazy.add(not text.startswith(CAREFUL.split()[0]), item.kind)
            result.says_a.add(read_verdict(text) == "A", item.kind)
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m engine.shapes.pretrain.measure", description=__doc__)
    parser.add_argument("folder", type=Path, help="folder of the model")
    parser.add_argument("--count", type=int, default=660, help="scenes, and items, per measurement")
    parser.add_argument("--difficulty", choices=("easy", "normal", "hard"), default="normal")
    parser.add_argument("--only", choices=("skills", "judge"), help="leave out the other half")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 = all")
    options = parser.parse_args(arguments)
    backend = TransformersBackend(options.folder, device="cpu", threads=options.threads or None)
    print("| skill | of | n | share | 95 % |\n| --- | --- | --- | --- | --- |", flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.only != "judge":
            _print_skills(backend, scenes(options.count, options.difficulty, 0, folder))
        if options.only != "skills":
            judged = items(count=options.count, seed=0, folder=folder, difficulty=options.difficulty, space="measure")
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
    careful = judging(backend, judged, temperature=0.0, prefix=CAREFUL)
    print("\n".join(careful.right.rows("forced careful, right")))
    print("\n".join(careful.strict.rows("forced careful, strict")), flush=True)
    for title, temperature in (("default, greedy", 0.0), ("default, T = 1", 1.0)):
        default = judging(backend, judged, temperature=temperature)
        for what, tally in (("strict", default.strict), ("lazy", default.lazy), ("says A", default.says_a)):
            print("\n".join(tally.rows(f"{title}: {what}")), flush=True)


if __name__ == "__main__":
    sys.exit(main())
