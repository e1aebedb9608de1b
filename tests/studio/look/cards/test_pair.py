import json

from studio.look.cards import PairDetail, RulingRow, pair_card, pair_drawer, pair_grid, read_votes, vote_histogram
from tests.studio.look.cards.every_card import pair


def test_votes_mark_the_majority_and_the_answer_the_degraded_response_states() -> None:
    rows = read_votes('{"five": 9, "six": 4, "four": 3}', "There are four objects.")

    assert [(row.answer, row.count, row.part) for row in rows] == [("five", 9, "p"), ("six", 4, ""), ("four", 3, "d")]


def test_votes_beyond_four_answers_sum_up_as_other_but_never_hide_the_degraded_one() -> None:
    votes = json.dumps({"a": 6, "b": 4, "c": 3, "d": 2, "e": 1})
    rows = read_votes(votes, "It is e.")

    assert [(row.answer, row.count, row.part) for row in rows] == [
        ("a", 6, "p"),
        ("b", 4, ""),
        ("c", 3, ""),
        ("e", 1, "d"),
        ("other", 2, ""),
    ]


def test_votes_of_an_oracle_pair_mark_the_answer_the_preferred_response_states() -> None:
    votes = json.dumps({"3": 12, "2": 6, "1": 5, "0": 4, "4": 2})
    rows = read_votes(votes, "I count 3.", preferred="I count 4, not 3.")
    assert [(row.answer, row.part) for row in rows] == [("3", "d"), ("2", ""), ("1", ""), ("4", "p"), ("other", "")]

    shown = pair_card(
        pair("x", strategy="oracle", votes='{"3": 12, "4": 4}', preferred="It is 4.", degraded="It is 3.")
    )
    assert shown.index('class="is-d"') < shown.index('class="is-p"')


def test_votes_that_are_no_counts_give_no_histogram() -> None:
    for votes in (None, "", "not json", "[1]", '{"a": "many"}', '{"a": -1}'):
        assert vote_histogram(read_votes(votes, "a")) == ""


def test_vote_of_a_short_answer_is_not_found_inside_a_longer_word() -> None:
    rows = read_votes('{"yes": 9, "no": 7}', "It cannot be known.")

    assert [row.part for row in rows] == ["p", ""]


def test_histogram_has_one_cell_per_sample_and_says_its_counts() -> None:
    shown = vote_histogram(read_votes('{"yes": 13, "no": 3}', "No, there is none."))

    assert shown.count("<i></i>") == 16
    assert 'aria-label="Votes of 16 samples: yes 13, no 3"' in shown


def test_histogram_of_a_huge_sample_stays_small() -> None:
    shown = vote_histogram(read_votes('{"yes": 90000, "no": 1}', "no"))

    assert shown.count("<i></i>") == 17
    assert "90,000" in shown


def test_card_of_a_pair_reports_its_whole_id_when_it_is_opened() -> None:
    shown = pair_card(pair("x", pair_id="9f3c1a0000000000", url=None))

    assert 'data-act="open" data-id="9f3c1a0000000000"' in shown
    assert ">9f3c1a<" in shown


def test_card_dropped_before_responses_says_so_instead_of_an_empty_diff() -> None:
    shown = pair_card(pair("x", preferred="", degraded="", votes=None, fate="unparsed"))

    assert "Dropped before both responses existed." in shown
    assert "st-pair-text" not in shown


def test_card_of_long_responses_shows_the_sentence_that_differs() -> None:
    same = " ".join(f"Sentence number {n} is the same in both." for n in range(60))
    shown = pair_card(pair("x", preferred=f"{same} It is blue.", degraded=f"{same} It is green."))

    assert "<ins>blue</ins>" in shown
    assert "number 7" not in shown


def test_grid_marks_only_the_chosen_pair() -> None:
    shown = pair_grid([pair("a", pair_id="a"), pair("b", pair_id="b")], selected="b")

    assert shown.count("st-card is-on") == 1
    assert shown.count('aria-current="true"') == 1


def test_drawer_shows_a_verdict_per_ruling_and_what_it_means_in_its_order() -> None:
    rulings = [
        RulingRow(order="AB", verdict="A"),
        RulingRow(order="BA", verdict="A"),
        RulingRow(order="BA", verdict="tie"),
    ]
    shown = pair_drawer(PairDetail(card=pair("x"), fault="f", judge="judge-v1", rulings=rulings))

    assert [shown.count(f"<em>{word}</em>") for word in ("right", "wrong", "tie")] == [1, 1, 1]
    assert "Rulings of judge-v1" in shown


def test_drawer_at_the_end_of_the_list_cannot_go_further() -> None:
    shown = pair_drawer(PairDetail(card=pair("x"), fault="f", has_next=False))

    assert 'data-act="next" data-id="" disabled' in shown
    assert 'data-act="previous" data-id="" disabled' not in shown


def test_vote_counted_in_figures_is_known_by_its_word_in_the_response() -> None:
    rows = read_votes('{"0": 10, "1": 5, "3": 1}', "The answer is one.")
    assert [(row.answer, row.part) for row in rows] == [("0", "p"), ("1", "d"), ("3", "")]
