from studio.look.cards import (
    NO_STAGE,
    LedgerRow,
    StageCell,
    Stat,
    funnel,
    stage_ledger,
    stage_list,
    stat_strip,
    tick_bar,
)
from studio.look.cards.funnel import FunnelStep
from studio.look.cards.progress import STAGES


def _row(cells: int, *, current: bool) -> LedgerRow:
    done = [StageCell(state="done", count=f"{n} things") for n in range(cells)]
    return LedgerRow(title="Iteration 2", cells=done, line="774 kept", current=current)


def test_ledger_of_an_unfinished_past_iteration_keeps_its_columns() -> None:
    shown = stage_ledger([_row(2, current=False)])

    assert shown.count('class="is-past"') == 2
    assert shown.count('class="is-past is-none"') == len(STAGES) - 2
    assert "774 kept" in shown


def test_stage_that_an_iteration_does_not_have_is_no_cell_that_waits() -> None:
    cells = [NO_STAGE, StageCell(state="done", count="0.57")]
    for current in (True, False):
        shown = stage_ledger([LedgerRow(title="Baseline", cells=cells, line="", current=current)])
        assert "Waiting" not in shown
        assert "0.57" in shown
    assert stage_list(cells).count("<li") == 1


def test_ledger_names_every_stage_of_the_current_iteration_for_a_phone() -> None:
    shown = stage_ledger([_row(5, current=True)])

    assert [shown.count(f'class="lab">{name.capitalize()}<') for name in STAGES] == [1] * 5


def test_tick_bar_says_stage_state_and_share_and_never_leaves_the_scale() -> None:
    assert 'aria-label="judge: running, 61 %"' in tick_bar("running", 0.61, label="judge")
    assert 'aria-label="train: waiting"' in tick_bar("waiting", None, label="train")
    assert "--v:100.0" in tick_bar("running", 7.0, label="judge")
    assert "--v:0.0" in tick_bar("running", -1.0, label="judge")


def test_stage_list_of_a_waiting_stage_claims_nothing() -> None:
    shown = stage_list([StageCell(state="waiting", count="")])

    assert ">waiting<" in shown
    assert "--v:0.0" in shown


def test_stat_strip_shows_at_most_six() -> None:
    stats = [Stat(label=f"label {n}", value="1") for n in range(8)]

    assert stat_strip(stats).count('class="st-stat"') == 6
    assert "is-3" in stat_strip(stats[:3])


def _steps() -> list[FunnelStep]:
    return [
        FunnelStep(label="Synthesized", left=1920, key="all"),
        FunnelStep(label="Parsed", left=1884, lost=36, reason="invalid", key="invalid"),
        FunnelStep(label="Both orders agree", left=1402, lost=482, reason="order-flip", key="order-flip"),
        FunnelStep(label="Trained", left=774, lost=628, reason="capped", key="capped"),
    ]


def test_funnel_steps_are_buttons_that_report_their_filter_and_say_their_numbers() -> None:
    shown = funnel(_steps(), selected="order-flip")

    assert shown.count("<button") == 4
    assert 'data-act="funnel" data-id="order-flip"' in shown
    assert 'aria-label="Both orders agree: 1,402 left, 74 %, −482 order-flip"' in shown
    assert shown.count('aria-current="true"') == 1
    assert shown.count("is-end") == 1


def test_funnel_bars_are_shares_of_what_was_synthesized() -> None:
    shown = funnel(_steps())

    assert "--in:100.00;--out:0.00" in shown
    assert "--in:73.02;--out:25.10" in shown


def test_funnel_of_nothing_divides_by_nothing() -> None:
    assert "0" in funnel(
        [FunnelStep(label="Synthesized", left=0, key="all"), FunnelStep(label="Parsed", left=0, key="x")]
    )
    assert funnel([]).startswith("<div")
