"""Rulings: places turned back into responses, both orders together, confidence, and files that can be continued."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.backends.base import Request
from engine.backends.local.transformers import TransformersBackend
from engine.errors import BackendError, SourceError, UsageError
from engine.judging.files import read_comparisons, rule_file
from engine.judging.ruling import ask, ask_chance, combine, order_ruling, rule, rule_many
from engine.prompts import load_pack
from engine.records import Comparison
from tests.fake_backend import FakeBackend
from tests.tiny_models import save_scenes, save_tiny_llava

PACK = load_pack("shapes")
GOOD, BAD = "Three of them.", "Four of them."


def sees(request: Request, _sample: int) -> str:
    text = request.messages[-1].text
    return f"I see three. [[{'A' if text.index(GOOD) < text.index(BAD) else 'B'}]]"


def sure_of_its_verdict(request: Request):
    return [0.9, 0.1] if sees(request, 0).endswith("[[A]]") else [0.2, 0.8]


def compared(a, b, *, image=None):
    return Comparison(image=image, question="How many?", preferred=a, degraded=b)


def rule_with(reply, *, choose=sure_of_its_verdict, a=GOOD, b=BAD):
    backend = FakeBackend(reply, choose=choose)
    return rule(backend, PACK, compared(a, b, image=Path("x.png")), judge="judge-v0"), backend


def test_ruling_names_the_response_whatever_its_place():
    assert rule_with(sees)[0].verdict == "A"
    assert rule_with(sees, a=BAD, b=GOOD)[0].verdict == "B"


def test_ruling_that_follows_the_place_is_an_order_flip():
    ruling, _ = rule_with(lambda _request, _sample: "[[A]]")
    assert ruling.verdict == "order-flip"
    assert [one.verdict for one in ruling.orders] == ["A", "B"]
    assert ruling.confidence is None


def test_ruling_with_one_contradictory_reply_is_invalid():
    replies = iter(["[[A]]", "[[A]] or [[B]]"])
    ruling, backend = rule_with(lambda _request, _sample: next(replies))
    assert ruling.verdict == "invalid"
    assert ruling.prefers_a is None
    assert sum(bool(request.choices) for request in backend.requests) == 1  # nobody is asked how sure a non-verdict is


def test_confidence_is_the_mean_over_orders_of_the_chosen_responses_chance():
    ruling, _ = rule_with(sees)
    assert ruling.prefers_a == pytest.approx((0.9 + 0.8) / 2)
    assert ruling.confidence == ruling.prefers_a
    turned, _ = rule_with(sees, a=BAD, b=GOOD)
    assert turned.prefers_a == pytest.approx(1 - (0.9 + 0.8) / 2)
    assert turned.confidence == pytest.approx(0.85)


def test_chance_is_asked_at_the_verdict_after_the_judges_own_reasons():
    request = ask(PACK, compared("x", "y"), "AB", key="k", judge="judge-v0")
    more = ask_chance(request, "Because of this. Verdict: [[B]].")
    assert more is not None
    assert more.prefix == "Because of this. Verdict:"
    assert more.choices == (" [[A]]", " [[B]]")
    assert ask_chance(request, "No idea.") is None


@given(st.lists(st.sampled_from(["A", "B", "tie", "invalid"]), min_size=1, max_size=2))
def test_combined_verdict_is_one_only_if_all_orders_agree(said):
    orders = [order_ruling("AB", verdict, "", chance_first=0.5, tokens=1) for verdict in said]
    expected = "invalid" if "invalid" in said else said[0] if len(set(said)) == 1 else "order-flip"
    assert combine(orders) == expected


def test_backend_that_cannot_continue_a_reply_leaves_the_chance_unknown():
    backend = FakeBackend(sees)
    backend.continues = False
    ruling = rule(backend, PACK, compared(GOOD, BAD), judge="judge-v0")
    assert (ruling.verdict, ruling.prefers_a) == ("A", None)


def test_file_may_hold_a_line_separator_within_a_text(tmp_path):
    path = tmp_path / "c.jsonl"
    path.write_text('{"question": "q", "a": "one\u2028two", "b": "x"}\n', encoding="utf-8")
    ((_, found, _),) = read_comparisons(path)
    assert found.preferred == "one\u2028two"


def test_many_rulings_come_in_the_order_asked_though_replies_do_not():
    comparisons = {str(number): compared(GOOD, BAD) for number in range(20)}
    rulings = list(rule_many(FakeBackend(sees, shuffle=3), PACK, comparisons, judge="judge-v0"))
    assert [ruling.key for ruling in rulings] == [str(number) for number in range(20)]


def test_confidence_on_a_real_model_is_a_probability_that_turns_with_the_responses(tmp_path):
    backend = TransformersBackend(save_tiny_llava(tmp_path / "m", width=64, vision_layers=1, layers=2), device="cpu")
    scene = save_scenes(tmp_path / "s", 1)[0]
    comparison = compared(GOOD, BAD, image=scene)
    turned = compared(BAD, GOOD, image=scene)
    chances = []
    for one, order in ((comparison, "AB"), (turned, "BA")):
        more = ask_chance(ask(PACK, one, order, key="k", judge="judge-v0"), "Looking. [[A]]")
        chances.append(next(iter(backend.generate([more]))).choice_probabilities)
    assert sum(chances[0]) == pytest.approx(1.0)
    assert chances[0] == pytest.approx(chances[1])  # the same prompt, told in two ways


# --- files ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def comparisons_file(tmp_path: Path) -> Path:
    save_scenes(tmp_path / "images", 2)
    rows = [
        {
            "id": number,
            "image": f"images/scene-00{number % 2}.png",
            "question": f"How many, {number}?",
            "a": GOOD,
            "b": BAD,
        }
        for number in range(150)
    ]
    path = tmp_path / "in.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n\n")
    return path


def rule_all(source: Path, out: Path, backend: FakeBackend) -> int:
    return sum(rule_file(backend, PACK, source, out, judges={"base": "judge-v0"}))


def test_file_of_rulings_holds_every_line_with_its_own_fields(comparisons_file, tmp_path):
    out = tmp_path / "out.jsonl"
    assert rule_all(comparisons_file, out, FakeBackend(sees)) == 150
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["id"] for row in rows] == list(range(150))
    assert {row["verdict"] for row in rows} == {"A"}
    assert rows[0]["orders"][1]["order"] == "BA"


def test_file_broken_off_is_continued_where_it_was(comparisons_file, tmp_path):
    out = tmp_path / "out.jsonl"
    with pytest.raises(BackendError):
        rule_all(comparisons_file, out, FakeBackend(sees, fail_after=300))
    kept = len(out.read_text().splitlines())
    assert kept == 64
    with out.open("a") as file:
        file.write('{"key": "cut o')  # as a kill leaves it
    again = FakeBackend(sees)
    assert rule_all(comparisons_file, out, again) == 150 - kept
    assert sum(not request.choices for request in again.requests) == 2 * (150 - kept)
    assert [json.loads(line)["id"] for line in out.read_text().splitlines()] == list(range(150))


def test_file_with_a_line_twice_answers_it_twice(comparisons_file, tmp_path):
    line = comparisons_file.read_text().splitlines()[0]
    comparisons_file.write_text(f"{line}\n{line}\n")
    out = tmp_path / "out.jsonl"
    assert rule_all(comparisons_file, out, FakeBackend(sees)) == 2
    assert rule_all(comparisons_file, out, FakeBackend(sees)) == 0


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2: not JSON"),
        ("[1]", "line 2: expected an object"),
        ('{"question": "q", "a": "x"}', "line 2: 'b' is missing"),
        ('{"question": "q", "a": "x", "b": 3}', "line 2: 'b' is missing or no text"),
        ('{"question": "q", "a": "x", "b": "y", "image": "none.png"}', "line 2: no image at"),
    ],
)
def test_file_with_a_bad_line_is_refused_before_anything_is_asked(comparisons_file, tmp_path, line, message):
    good = comparisons_file.read_text().splitlines()[0]
    comparisons_file.write_text(f"{good}\n{line}\n")
    backend = FakeBackend(sees)
    with pytest.raises(SourceError, match=message):
        rule_all(comparisons_file, tmp_path / "out.jsonl", backend)
    assert backend.requests == []
    assert not (tmp_path / "out.jsonl").exists()


def test_file_that_holds_nothing_or_is_none_is_refused(tmp_path):
    empty = tmp_path / "empty.jsonl"
    empty.write_text("\n")
    with pytest.raises(SourceError, match="holds no comparison"):
        read_comparisons(empty)
    with pytest.raises(SourceError, match="cannot read"):
        read_comparisons(tmp_path / "missing.jsonl")


@pytest.mark.parametrize("text", ["my notes\n", "my notes", '{"a": 1}\n'])
def test_output_that_is_some_other_file_is_left_alone(comparisons_file, tmp_path, text):
    out = tmp_path / "notes.txt"
    out.write_text(text)
    with pytest.raises(SourceError, match="is not a file of rulings"):
        rule_all(comparisons_file, out, FakeBackend(sees))
    assert out.read_text() == text


def test_fields_of_a_line_that_a_ruling_has_too_are_kept_beside_it(comparisons_file, tmp_path):
    row = json.loads(comparisons_file.read_text().splitlines()[0])
    own = {"verdict": "B", "judge": "human", "key": "k17", "confidence": 0.3, "given": "before"}
    comparisons_file.write_text(json.dumps({**row, **own, "note": "mine"}))
    out = tmp_path / "out.jsonl"
    assert rule_all(comparisons_file, out, FakeBackend(sees)) == 1
    (written,) = map(json.loads, out.read_text().splitlines())
    assert written["given"] == own
    assert (written["verdict"], written["judge"], written["note"]) == ("A", "base", "mine")
    assert rule_all(comparisons_file, out, FakeBackend(sees)) == 0


def test_output_in_a_folder_that_is_not_there_is_refused_before_anything_is_asked(comparisons_file, tmp_path):
    backend = FakeBackend(sees)
    for out in (tmp_path / "nowhere/out.jsonl", tmp_path):
        with pytest.raises(UsageError, match=r"Name (a file|another)"):
            rule_all(comparisons_file, out, backend)
    assert backend.requests == []


@pytest.mark.parametrize(
    ("image", "said"),
    [("", "is empty"), ([["a.png"]], "is a list"), (7, "is a int"), ("https://x/a.png", "is a https address"),
     ("data:image/png;base64,AAAA", "is a data address"), ("A" * 5000, "5,000 letters"), ("A" * 300, "300 letters")],
)  # fmt: skip
def test_image_that_is_no_path_is_one_short_sentence(comparisons_file, tmp_path, image, said):
    comparisons_file.write_text(json.dumps({"image": image, "question": "q", "a": "x", "b": "y"}))
    with pytest.raises(SourceError, match=said) as caught:
        rule_all(comparisons_file, tmp_path / "out.jsonl", FakeBackend(sees))
    assert len(str(caught.value)) < 300


def test_file_with_a_byte_order_mark_and_half_an_emoji_is_read(tmp_path):
    path = tmp_path / "c.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"question": "q", "a": "cut \\ud83d", "b": "x"}\n')
    ((_, found, _),) = read_comparisons(path)
    assert found.preferred == "cut \ufffd"
    assert rule_all(path, tmp_path / "out.jsonl", FakeBackend(lambda _request, _sample: "[[A]]")) == 1
