"""Which closed pairs are left out so that no answer usually wins."""

from collections import Counter
from dataclasses import replace

from engine.prompts import load_pack
from engine.records import Instruction, Pair
from engine.sources.questions.instructions import instruction
from engine.stages.synthesize.even import USUAL, evened, surplus


def leads(contests: dict[str, tuple[str, str]]) -> Counter[str]:
    lead: Counter[str] = Counter()
    for winner, loser in contests.values():
        lead[winner] += 1
        lead[loser] -= 1
    return lead


def test_no_answer_is_left_with_a_lead_of_more_than_one():
    contests = {f"{i:03}": (f"{i * i % 7}", f"{(i * i + 1 + i % 5) % 7}") for i in range(200)}
    out = set(surplus(contests))
    assert max(map(abs, leads(contests).values())) > 5
    assert max(map(abs, leads({one: met for one, met in contests.items() if one not in out}).values())) <= 1


def test_even_contests_lose_nothing():
    assert not list(surplus({"a": ("yes", "no"), "b": ("no", "yes"), "c": ("red", "blue")}))


def pair_of(number: int, question: str, preferred: str, degraded: str) -> tuple[Instruction, Pair]:
    one = instruction(
        f"image {number}", question, kind="closed", answer_type="yes_no", dimension="x", held_out=frozenset()
    )
    pair = Pair(
        pair_id=f"{number:03}", instruction_id=one.instruction_id, image_id=one.image_id, question=question,
        kind="closed", strategy="majority", dimension="x", preferred=f"The answer is {preferred}.",
        degraded=f"The answer is {degraded}.", votes=None, altered=None, writer="judge-v0", dropped=None,
    )  # fmt: skip
    return one, pair


def test_each_question_of_the_bank_is_evened_by_itself_whatever_fills_its_slots():
    """Over both questions yes and no are even already, so only telling them apart leaves anything out."""
    made = [pair_of(i, f"Is there any {shape}?", "no", "yes") for i, shape in enumerate(["circle", "star"] * 5)]
    made += [
        pair_of(10 + i, f"Are there more than {n} objects?", "yes", "no") for i, n in enumerate(["two", "three"] * 5)
    ]
    rows = [pair for _, pair in made]
    instructions = {one.instruction_id: one for one, _ in made}
    kept = [pair for pair in evened(rows, instructions, load_pack("shapes")) if pair.dropped is None]
    assert len(kept) == 2
    assert {pair.question.split()[0] for pair in kept} == {"Is", "Are"}


def test_rows_keep_their_order_and_dropped_ones_their_reason():
    made = [pair_of(i, "Is there any circle?", "no", "yes") for i in range(4)]
    rows = [made[0][1], replace(made[1][1], dropped="tied"), made[2][1], made[3][1]]
    found = evened(rows, {one.instruction_id: one for one, _ in made}, load_pack("shapes"))
    assert [pair.pair_id for pair in found] == [pair.pair_id for pair in rows]
    assert sorted(str(pair.dropped) for pair in found) == sorted([USUAL, USUAL, "tied", "None"])
