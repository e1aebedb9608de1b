"""Words of the trade: explained where they stand, from the one file that the documents name too."""

from pathlib import Path

import pytest

from studio.look import cards
from studio.look.cards.glossary import explained, meanings, script, word_in

ROOT = Path(__file__).parents[4]


def test_words_that_a_stranger_meets_first_are_explained_once_each() -> None:
    assert {"judge", "strict", "order flip", "kept", "control", "vote floor", "held out", "coin"} <= meanings().keys()
    rows = [line for line in (ROOT / "assets" / "glossary.md").read_text().splitlines() if line.startswith("| ")]
    assert len(rows) == len(meanings()) + 2, "a word stands in two rows, or a row was not read"


@pytest.mark.parametrize("document", ["README.md", "engine/README.md", "studio/README.md"])
def test_documents_lead_to_the_glossary(document: str) -> None:
    assert "assets/glossary.md" in (ROOT / document).read_text()


@pytest.mark.parametrize(
    ("label", "word"),
    [
        ("Accuracy, strict", "strict"),
        ("rejected: order-flip", "rejected"),
        ("order-flip", "order flip"),
        ("Held out", "held out"),
        ("Pairs", "pair"),
        ("wrong image", "wrong-image"),
        ("Disk", None),
        ("repairs", None),
    ],
)
def test_word_is_found_in_a_label_however_it_is_spelt(label: str, word: str | None) -> None:
    assert word_in(label) == word


def test_marked_label_keeps_its_text_and_stays_escaped() -> None:
    shown = explained("<b>kept</b> & strict")
    assert shown == ('&lt;b&gt;<span class="st-term" data-term="kept" tabindex="0">kept</span>&lt;/b&gt; &amp; strict')


def test_sign_that_stands_many_times_on_a_page_is_no_stop_of_the_tab_key() -> None:
    assert 'data-term="kept"' in cards.fate("kept")
    assert "tabindex" not in cards.fate("kept")
    assert "tabindex" in cards.stat_strip([cards.Stat(label="Kept", value="1")])


def test_script_cannot_be_ended_by_a_meaning() -> None:
    assert "</" not in script()
