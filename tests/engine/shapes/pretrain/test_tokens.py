from hypothesis import given, settings
from hypothesis import strategies as st

from engine.prompts import load_pack
from engine.shapes.pretrain.corpus import TASKS, example
from engine.shapes.pretrain.tokens import build_tokenizer
from engine.shapes.scenes import scene_seed

PACK = load_pack("shapes")
TOKENIZER = build_tokenizer(PACK, examples=600)


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=80))
@settings(deadline=None)
def test_any_text_comes_back_from_its_tokens(text: str) -> None:
    ids = TOKENIZER(text, add_special_tokens=False, split_special_tokens=True).input_ids
    assert TOKENIZER.decode(ids) == text


def test_every_word_tag_and_verdict_of_the_corpus_is_one_token() -> None:
    text = " The top right has a big purple triangle A3: B7: [[A]] [[B]] crosses"
    assert len(TOKENIZER.tokenize(text)) == len(text.split())


def test_segments_of_a_reply_tokenize_as_the_whole_reply_does() -> None:
    for task in TASKS:
        made = example(task, scene_seed("test", 0, 1), "normal", PACK)
        parts = [i for text, _ in made.reply for i in TOKENIZER(text, add_special_tokens=False).input_ids]
        assert parts == TOKENIZER(made.text, add_special_tokens=False).input_ids


def test_template_marks_turns_and_leaves_a_partial_reply_open() -> None:
    user = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "How many?"}]}
    reply = {"role": "assistant", "content": "The objects are at top left."}
    render = TOKENIZER.apply_chat_template
    asked = "<bos><user><image>How many?<assistant>"
    assert render([user], add_generation_prompt=True, tokenize=False) == asked
    assert render([user, reply], tokenize=False) == f"{asked}The objects are at top left.<eos>"
    assert render([user, reply], continue_final_message=True, tokenize=False) == f"{asked}The objects are at top left."
