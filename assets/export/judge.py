"""Which of two answers to a question about a picture is better? Asked in both orders; a verdict holds in both.

    pip install torch transformers peft pillow
    python judge.py cat.png "How many cats are there?" "Two." "Three."        [--base FOLDER]

Everything the judge was trained on is in judge.json beside this file: its prompt, and how its replies are read.
"""

import json
import re
import sys
from pathlib import Path

from PIL import Image, ImageOps
from transformers import AutoModelForImageTextToText, AutoProcessor

HERE = Path(__file__).resolve().parent
JUDGE = json.loads((HERE / "judge.json").read_text("utf-8"))


def load(base=None):
    """The model and its processor; `base` is the base model's folder, where it is neither here nor on the hub."""
    merged = not (HERE / "adapter_config.json").exists()
    own = HERE if merged else HERE / "base"
    place = base or (own if own.is_dir() else JUDGE["base"])
    model = AutoModelForImageTextToText.from_pretrained(place)
    if not merged:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, HERE)
    return model.eval(), AutoProcessor.from_pretrained(place)


def picture(path):
    """Upright, on white where it is transparent, no larger than the judge was shown in training."""
    image = ImageOps.exif_transpose(Image.open(path)).convert("RGBA")
    image.thumbnail((JUDGE["max_side"], JUDGE["max_side"]))
    paper = Image.new("RGBA", image.size, "white")
    paper.alpha_composite(image)
    return paper.convert("RGB")


def material(text, specials):
    """`text` in which nothing can be taken for a verdict, a special token, or a line of the prompt."""
    text = re.sub(JUDGE["broken"], lambda found: f"{found[0][0]} {found[0][1:]}", text)
    for token in specials:
        text = text.replace(token, f"{token[0]} {token[1:]}")
    lines = (f"> {line}" if " ".join(line.split()).casefold() in JUDGE["fences"] else line for line in text.split("\n"))
    return "\n".join(lines)


def numbered(text, letter):
    """Sentences as "A1: … A2: …", where the judge was trained on them."""
    if not JUDGE["number_sentences"]:
        return text
    parts = [part for part in re.split(r"(?<=[.!?])\s+", " ".join(text.split())) if part]
    return " ".join(f"{letter}{number}: {part}" for number, part in enumerate(parts, 1))


def verdict(reply):
    """ "A", "B", "tie" by place, or "invalid": the last line, if it is one verdict; else the only one stated."""
    begin = max((found.end() for found in re.finditer(JUDGE["thinking_closes"], reply)), default=0)
    if re.search(JUDGE["thinking_opens"], reply[begin:]):
        return "invalid"
    last = reply[begin:].rstrip().rpartition("\n")[2]
    for form in JUDGE["last_lines"] if len(last) <= JUDGE["longest_last_line"] else ():
        if found := re.fullmatch(form, last):
            return JUDGE["meaning"][found["said"]]
    said = {JUDGE["meaning"][found["said"]] for found in re.finditer(JUDGE["said"], reply[begin:])}
    return said.pop() if len(said) == 1 else "invalid"


def reply(model, processor, image, question, first, second):
    """What the judge says of two answers shown in this order; "" if it was cut off before it had decided."""
    specials = processor.tokenizer.all_special_tokens
    question, first, second = (material(text, specials) for text in (question, first, second))
    values = {"question": question, "a": numbered(first, "A"), "b": numbered(second, "B")}
    text = re.sub(r"\{(question|a|b)\}", lambda slot: values[slot[1]], JUDGE["prompt"])
    turns = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": text}]}]
    if JUDGE["system"]:
        turns.insert(0, {"role": "system", "content": [{"type": "text", "text": JUDGE["system"]}]})
    shown = processor.apply_chat_template(turns, add_generation_prompt=True)
    begin = processor.tokenizer.bos_token
    inputs = processor(
        images=image, text=shown, return_tensors="pt", add_special_tokens=not (begin and shown.startswith(begin))
    )
    ends = model.generation_config.eos_token_id
    ends = set(ends if isinstance(ends, list) else [ends]) | {processor.tokenizer.eos_token_id}
    never = sorted(set(processor.tokenizer.all_special_ids) - ends)
    out = model.generate(
        **inputs.to(model.device), max_new_tokens=JUDGE["max_tokens"], do_sample=False, suppress_tokens=never
    )
    ids = out[0, inputs["input_ids"].shape[1] :].tolist()
    return processor.tokenizer.decode(ids, skip_special_tokens=True) if ends & set(ids) else ""


def rule(model, processor, image, question, a, b):
    """The verdict on a and b, and the reply in either order. The reply with b first calls b "Response A"."""
    one, other = reply(model, processor, image, question, a, b), reply(model, processor, image, question, b, a)
    turned = {"A": "B", "B": "A"}.get(verdict(other), verdict(other))
    said = {verdict(one), turned}
    whole = "invalid" if "invalid" in said else said.pop() if len(said) == 1 else "order-flip"
    return {"verdict": whole, "a_first": one, "b_first": other}


if __name__ == "__main__":
    words = sys.argv[1:]
    place = words.index("--base") if "--base" in words else len(words)
    base = words[place + 1] if place < len(words) else None
    if place != 4:
        sys.exit(__doc__)
    print(json.dumps(rule(*load(base), picture(words[0]), *words[1:4]), indent=1, ensure_ascii=False))
