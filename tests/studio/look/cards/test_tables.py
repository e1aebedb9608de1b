from studio.look.cards import (
    ComparedRow,
    RunRow,
    Score,
    comparison_table,
    result_table,
    runs_table,
    skipped_files,
    state_chip,
)
from studio.look.cards.images import SkippedFile


def _compared(low: float | None, high: float | None) -> ComparedRow:
    older, newer = Score(accuracy=0.44, low=0.40, high=0.48), Score(accuracy=0.61, low=0.57, high=0.65)
    return ComparedRow(
        name="overall", n=480, older=older, newer=newer, gain=0.17, gain_low=low, gain_high=high, p=0.0001
    )


def test_gain_is_bold_only_when_its_interval_excludes_zero() -> None:
    assert '<b class="st-gain">+0.17</b>' in comparison_table([_compared(0.12, 0.22)], older="a", newer="b")
    assert '<span class="st-gain">+0.17</span>' in comparison_table([_compared(-0.01, 0.22)], older="a", newer="b")
    assert '<span class="st-gain">+0.17</span>' in comparison_table([_compared(None, None)], older="a", newer="b")


def test_comparison_shows_accuracies_with_intervals_and_p() -> None:
    shown = comparison_table([_compared(0.12, 0.22)], older="judge-v0", newer="judge-v3")

    assert "0.57 to 0.65" in shown
    assert "+0.12 to +0.22, p\u00a0&lt;\u00a00.001" in shown


def _run(**changes: object) -> RunRow:
    values: dict[str, object] = {
        "run": "shapes-02",
        "state": "running",
        "base_model": "shapes-vlm",
        "source": "drawn scenes",
        "iteration": 3,
        "iterations": 4,
        "accuracies": (),
        "best": None,
        "best_accuracy": None,
        "kept_share": None,
        "seconds": None,
        "bytes": None,
    }
    return RunRow(**(values | changes))  # type: ignore[arg-type]


def test_runs_table_offers_delete_only_for_runs_that_are_not_active() -> None:
    assert 'data-act="delete"' not in runs_table([_run(deletable=False)])
    assert 'data-act="delete" data-id="shapes-02" aria-label="Delete run shapes-02"' in runs_table([_run()])


def test_runs_table_shows_unknown_numbers_as_dashes() -> None:
    shown = runs_table([_run()])

    assert "None" not in shown
    assert shown.count(">–<") >= 5


def test_state_chip_tints_only_running_and_failed() -> None:
    assert "is-run" in state_chip("running")
    assert "is-rejected" in state_chip("failed")
    assert all(state_chip(state).startswith('<span class="st-chip">') for state in ("done", "stopped", "queued"))


def test_result_table_keeps_every_value_and_labels_it_for_a_phone() -> None:
    shown = result_table(["n", "question"], [[480, None], [0, "hi"]], more=True)

    assert shown.count('data-label="question"') == 2
    assert "NULL" in shown
    assert "2 rows, the limit" in shown


def test_result_table_sets_columns_of_numbers_and_nulls_to_the_right() -> None:
    shown = result_table(["n", "name", "mixed"], [[480, "a", 1], [None, "b", "x"]])

    assert '<th scope="col" class="st-num">n<' in shown
    assert '<td class="st-num is-null" data-label="n">' in shown
    assert shown.count("st-num") == 3


def test_result_table_of_a_short_line_leaves_its_cells_out() -> None:
    assert result_table(["a", "b"], [[1]]).count("<td") == 1


def test_skipped_files_says_how_many_are_not_listed() -> None:
    shown = skipped_files([SkippedFile(name="a.svg", reason="not an image")], total=40)

    assert "40 files skipped" in shown
    assert "and 39 more" in shown
    assert skipped_files([]) == ""
