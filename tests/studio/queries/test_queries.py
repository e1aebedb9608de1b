"""The page's questions on a small workspace, each checked against counting by hand."""

import shutil
from pathlib import Path

import pytest

from engine.workspace.catalog.database import Catalog, open_catalog
from engine.workspace.folders import Workspace
from studio.queries import pairs, scores, shelf, traces, training
from studio.queries.pairs import PairFilter, PairRow, facets, find_pair, pairs_page, rows_beyond, spots_beyond
from studio.queries.traces import TraceFilter, rulings_page, trace_facets, traces_of
from tests.sample_workspace import (
    FATES,
    HOSTILE,
    make_pair,
    make_run,
    make_workspace,
    pair_id,
    write_selection,
)

RUN = "shapes-01"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return make_workspace(tmp_path / "ws")


@pytest.fixture
def catalog(workspace: Workspace) -> Catalog:
    return open_catalog(workspace)


def ids(rows: tuple[PairRow, ...]) -> list[str]:
    return [row.pair_id for row in rows]


def expected(iteration: int, *numbers: int) -> list[str]:
    return [pair_id(iteration, number) for number in numbers]


# --- pairs ---------------------------------------------------------------------------------------------------


def test_open_and_closed_pairs_come_by_turns_whichever_was_written_first(
    workspace: Workspace, catalog: Catalog
) -> None:
    folder = workspace.run(RUN).stage(3, "synthesize")
    folder.begin({})
    closed, opened = range(0, 20, 2), range(1, 11, 2)
    folder.write("pairs", [make_pair(3, number) for number in closed])
    wanted = PairFilter(run=RUN, iteration=3)
    assert ids(pairs_page(catalog, wanted).rows) == expected(3, *closed)
    seen = pairs_page(catalog, wanted, size=2).rows
    for number in opened:  # a part each, as they are finished
        folder.write("pairs", [make_pair(3, number, dropped="same" if number == 5 else None)])
    mixed = expected(3, 0, 1, 2, 3, 4, 7, 6, 9, 8, *range(10, 20, 2))
    assert ids(pairs_page(catalog, wanted).rows) == mixed
    assert ids(pairs_page(open_catalog(workspace), wanted).rows) == mixed, "the same in another process"
    assert ids(pairs_page(catalog, wanted, at=f"after:{seen[-1].cursor}").rows) == mixed[3:]


def test_pairs_without_a_filter_are_the_usable_ones(catalog: Catalog) -> None:
    page = pairs_page(catalog, PairFilter(run=RUN))
    assert ids(page.rows) == expected(1, *range(8)) + expected(2, *range(8))
    assert (page.total, page.first, page.has_previous, page.has_next) == (16, 1, False, False)


def test_pair_row_holds_the_whole_pair_its_fate_and_its_image(catalog: Catalog) -> None:
    row = pairs_page(catalog, PairFilter(run=RUN, iteration=1)).rows[3]
    pair = make_pair(1, 3)
    assert (row.question, row.preferred, row.degraded) == (HOSTILE, pair.preferred, pair.degraded)
    assert (row.fate, row.kept_traces, row.traces) == ("order-flip", 0, 4)
    assert (row.image, row.width) == (f"images/{pair.image_id[:2]}/{pair.image_id}.png", 48)
    assert row.altered == "blue to green"


@pytest.mark.parametrize(
    ("condition", "numbers"),
    [
        ({"kind": "open"}, [1, 3, 5, 7]),
        ({"strategy": "majority"}, [0, 2, 4, 6]),
        ({"dimension": "count"}, [1, 5]),
        ({"fate": "kept"}, [0, 1, 7]),
        ({"fate": "rejected"}, [2, 3, 4, 5, 6]),
        ({"fate": "order-flip"}, [3]),
        ({"fate": "dropped"}, [8, 9]),
        ({"fate": "dropped: same"}, [9]),
        ({"fate": "waiting"}, []),
        ({"text": "NUMBER 4?"}, [4]),
        ({"text": "blue STAR"}, [0, 1, 2, 3, 4, 5, 6, 7]),
        ({"text": "green star. it is item 5"}, [5]),
        ({"text": "%"}, []),
        ({"text": "<script>"}, [3]),
        ({"text": "', 1) --"}, []),
        ({"kind": "open", "fate": "kept", "dimension": "count"}, [1]),
        ({"only": frozenset({pair_id(1, 2), pair_id(1, 6), "nonsense"})}, [2, 6]),
        ({"only": frozenset()}, []),
    ],
)
def test_pairs_filter_finds_exactly_what_it_names(
    catalog: Catalog, condition: dict[str, str], numbers: list[int]
) -> None:
    page = pairs_page(catalog, PairFilter(run=RUN, iteration=1, **condition))  # type: ignore[arg-type]
    assert ids(page.rows) == expected(1, *numbers)
    assert page.total == len(numbers)


def test_pair_is_found_by_the_beginning_of_its_id(catalog: Catalog) -> None:
    wanted = pair_id(2, 5)
    assert ids(pairs_page(catalog, PairFilter(run=RUN, text=wanted[:9])).rows) == [wanted]


@pytest.mark.parametrize("fate", [None, "kept"])
def test_paging_forward_and_back_shows_every_pair_once(catalog: Catalog, fate: str | None) -> None:
    wanted = PairFilter(run=RUN, fate=fate)
    everything = ids(pairs_page(catalog, wanted, size=100).rows)
    page = pairs_page(catalog, wanted, size=3)
    seen, firsts = ids(page.rows), [page.first]
    while page.has_next:
        page = pairs_page(catalog, wanted, at=f"after:{page.rows[-1].cursor}", size=3)
        seen += ids(page.rows)
        firsts.append(page.first)
    assert seen == everything
    assert firsts == list(range(1, len(everything) + 1, 3))
    last = ids(page.rows)
    while page.has_previous:
        page = pairs_page(catalog, wanted, at=f"before:{page.rows[0].cursor}", size=3)
        last = ids(page.rows) + last
        assert page.has_next
    assert last == everything


def test_page_stays_where_it_is_while_parts_arrive(workspace: Workspace, catalog: Catalog) -> None:
    first = pairs_page(catalog, PairFilter(run=RUN, iteration=2), size=5)
    folder = workspace.run(RUN).stage(2, "synthesize")
    folder.write("pairs", [make_pair(2, number) for number in range(10, 14)])
    second = pairs_page(catalog, PairFilter(run=RUN, iteration=2), at=f"after:{first.rows[-1].cursor}", size=5)
    assert ids(second.rows) == expected(2, 5, 6, 7, 10, 11)
    assert second.total == 12


def test_fates_appear_when_select_is_done(workspace: Workspace, catalog: Catalog) -> None:
    wanted = PairFilter(run=RUN, iteration=2, fate="waiting")
    assert pairs_page(catalog, wanted).total == 8
    assert pairs_page(catalog, wanted).rows[0].fate is None
    write_selection(workspace.run(RUN), 2)
    assert pairs_page(catalog, wanted).total == 0
    assert [row.fate for row in pairs_page(catalog, PairFilter(run=RUN, iteration=2)).rows] == list(FATES)


def test_pairs_of_a_deleted_iteration_and_run_disappear(workspace: Workspace, catalog: Catalog) -> None:
    assert pairs_page(catalog, PairFilter(run=RUN)).total == 16
    shutil.rmtree(workspace.run(RUN).folder / "iteration-01")
    assert ids(pairs_page(catalog, PairFilter(run=RUN)).rows) == expected(2, *range(8))
    shutil.rmtree(workspace.run(RUN).folder)
    assert pairs_page(catalog, PairFilter(run=RUN)).rows == ()


def test_part_damaged_in_the_middle_costs_only_its_own_pairs(workspace: Workspace, catalog: Catalog) -> None:
    part = workspace.run(RUN).stage(1, "synthesize").parts("pairs")[0]
    data = part.read_bytes()
    part.write_bytes(data[:4] + bytes(len(data) // 2) + data[4 + len(data) // 2 :])
    page = pairs_page(catalog, PairFilter(run=RUN, iteration=1))
    assert ids(page.rows) == expected(1, 4, 5, 6, 7)
    assert [fault.path for fault in catalog.faults()] == [str(part)]


def test_runs_do_not_mix(workspace: Workspace, catalog: Catalog) -> None:
    make_run(workspace, "shapes-02", iterations=1)
    assert pairs_page(catalog, PairFilter(run="shapes-02")).total == 8
    assert pairs_page(catalog, PairFilter(run=RUN)).total == 16
    assert pairs_page(catalog, PairFilter(run="none")).total == 0


def test_shelf_lets_go_of_the_run_asked_about_longest_ago(
    workspace: Workspace, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("shapes-02", "shapes-03"):
        make_run(workspace, name, iterations=1)
    monkeypatch.setattr(shelf, "ROWS_LIMIT", 10)  # one run's pairs; texts come in the background or not yet
    for name in (RUN, "shapes-02", "shapes-03", RUN, "shapes-02"):
        assert pairs_page(catalog, PairFilter(run=name, iteration=1)).total == 8
    held = shelf.shelf_of(catalog).ask("pairs", "shapes-02", "SELECT DISTINCT run FROM pairs", [], iteration=1)
    assert len(held) <= 2


def test_facets_count_each_value_under_the_other_filters(catalog: Catalog) -> None:
    found = facets(catalog, PairFilter(run=RUN, iteration=1, kind="open"))
    assert found.iterations == (1, 2)
    assert dict(found.kinds) == {"open": 4, "closed": 4}
    assert dict(found.dimensions) == {"attribute": 0, "count": 2, "position": 0, "existence": 2}
    assert dict(found.fates)["order-flip"] == 1
    assert dict(found.fates)["dropped: same"] == 1
    kept = facets(catalog, PairFilter(run=RUN, iteration=1, fate="kept"))
    assert dict(kept.kinds) == {"open": 2, "closed": 1}


def test_pair_is_found_by_id_in_its_newest_iteration_or_the_one_named(workspace: Workspace, catalog: Catalog) -> None:
    workspace.run(RUN).stage(2, "synthesize").write("pairs", [make_pair(1, 4)])
    assert find_pair(catalog, RUN, pair_id(1, 4)).iteration == 2  # type: ignore[union-attr]
    assert find_pair(catalog, RUN, pair_id(1, 4), iteration=1).iteration == 1  # type: ignore[union-attr]
    for nonsense in ("", "zz", "0" * 16, "' or 1=1 --", "f" * 17):
        assert find_pair(catalog, RUN, nonsense) is None


def test_neighbours_follow_the_filter_even_from_a_pair_outside_it(catalog: Catalog) -> None:
    wanted = PairFilter(run=RUN, iteration=1, fate="kept")
    outside = find_pair(catalog, RUN, pair_id(1, 3))
    assert outside is not None
    assert [spot.pair_id for spot in spots_beyond(catalog, wanted, outside, -9)] == expected(1, 1, 0)
    assert ids(tuple(rows_beyond(catalog, wanted, outside, -9))) == expected(1, 0, 1)
    (after,) = spots_beyond(catalog, wanted, outside, 1)
    assert after.item == f"1-{pair_id(1, 7)}"
    assert spots_beyond(catalog, wanted, after, 1) == []


@pytest.mark.parametrize("at", ["after:", "after:zz", "before", "after:" + "f" * 40, "after:-1", "x:1"])
def test_unreadable_place_in_the_list_is_a_page_all_the_same(catalog: Catalog, at: str) -> None:
    assert pairs_page(catalog, PairFilter(run=RUN), at=at).total == 16


# --- traces --------------------------------------------------------------------------------------------------


def test_ruling_has_both_orders_of_its_sample_and_its_pair(catalog: Catalog) -> None:
    page = rulings_page(catalog, TraceFilter(run=RUN, iteration=1, pair=pair_id(1, 3)))
    assert [(ruling.sample, ruling.samples) for ruling in page.rulings] == [(0, 2), (1, 2)]
    ruling = page.rulings[0]
    assert ruling.ab is not None
    assert ruling.ba is not None
    assert ruling.pair is not None
    assert (ruling.ab.order, ruling.ab.verdict, ruling.ba.order, ruling.ba.verdict) == ("AB", "A", "BA", "A")
    assert (ruling.ab.reason, ruling.ab.kept, ruling.ab.tokens) == ("order-flip", False, 23)
    assert ruling.pair.question == HOSTILE
    assert (page.total, page.first, page.last) == (4, 1, 4)


@pytest.mark.parametrize(
    ("condition", "count"),
    [
        ({}, 32),
        ({"kept": True}, 12),
        ({"kept": False}, 20),
        ({"reason": "order-flip"}, 4),
        ({"reason": "waiting"}, 0),
        ({"order": "AB"}, 16),
        ({"verdict": "invalid"}, 2),
        ({"verdict": "A", "order": "BA"}, 4),
        ({"dimension": "count"}, 8),
        ({"judge": "judge-v0"}, 32),
        ({"judge": "judge-v7"}, 0),
    ],
)
def test_trace_filter_counts_and_shows_what_it_names(catalog: Catalog, condition: dict[str, str], count: int) -> None:
    wanted = TraceFilter(run=RUN, iteration=1, **condition)  # type: ignore[arg-type]
    page = rulings_page(catalog, wanted, size=100)
    assert page.total == count
    shown = [trace for ruling in page.rulings for trace in (ruling.ab, ruling.ba) if trace is not None]
    assert all(
        getattr(trace, name) == value
        for name, value in condition.items()
        if name in ("reason", "judge")
        for trace in shown
    )
    assert page.last == count


def test_traces_of_an_iteration_without_selection_wait(catalog: Catalog) -> None:
    page = rulings_page(catalog, TraceFilter(run=RUN, iteration=2, reason="waiting"))
    assert page.total == 32
    assert page.rulings[0].ab is not None
    assert page.rulings[0].ab.reason is None
    facet = trace_facets(catalog, TraceFilter(run=RUN, iteration=2))
    assert (facet.kept, facet.rejected, facet.waiting) == (0, 0, 32)


@pytest.mark.parametrize("order", [None, "AB"])
def test_paging_rulings_shows_every_one_once(catalog: Catalog, order: str | None) -> None:
    wanted = TraceFilter(run=RUN, order=order)
    page = rulings_page(catalog, wanted, size=5)
    seen = [ruling.cursor for ruling in page.rulings]
    while page.has_next:
        last = page.last
        page = rulings_page(catalog, wanted, at=f"after:{page.rulings[-1].cursor}", size=5)
        assert page.first == last + 1
        seen += [ruling.cursor for ruling in page.rulings]
    assert page.last == page.total == (64 if order is None else 32)
    assert len(seen) == len(set(seen)) == 32
    back = [ruling.cursor for ruling in page.rulings]
    while page.has_previous:
        page = rulings_page(catalog, wanted, at=f"before:{page.rulings[0].cursor}", size=5)
        back = [ruling.cursor for ruling in page.rulings] + back
    assert back == seen


def test_ruling_with_one_order_written_has_a_gap(workspace: Workspace, catalog: Catalog) -> None:
    from tests.sample_workspace import make_traces

    run = make_run(workspace, "half", iterations=1)
    shutil.rmtree(run.stage(1, "judge").folder)
    run.stage(1, "judge").begin({})
    run.stage(1, "judge").write("traces", [make_traces(1, 0, selected=False)[0]])
    (ruling,) = rulings_page(catalog, TraceFilter(run="half")).rulings
    assert ruling.ab is not None
    assert ruling.ba is None


def test_reasons_and_verdicts_sum_up_an_iteration(catalog: Catalog) -> None:
    assert traces.reasons(catalog, RUN, 1) == {
        "agrees": 12, "wrong": 4, "order-flip": 4, "invalid": 4, "unbalanced": 4, "capped": 4
    }  # fmt: skip
    assert traces.verdicts(catalog, RUN, 1) == {"right": 24, "wrong": 6, "tie": 0, "invalid": 2}
    assert traces.reasons(catalog, RUN, 2) == {"waiting": 32}


def test_traces_of_one_pair_come_by_order_and_sample(catalog: Catalog) -> None:
    found = traces_of(catalog, RUN, 1, pair_id(1, 2))
    assert [(one.order, one.sample) for one in found] == [("AB", 0), ("AB", 1), ("BA", 0), ("BA", 1)]
    assert traces_of(catalog, RUN, 1, "nonsense") == []


def test_shelf_counts_again_only_when_rows_changed(workspace: Workspace, catalog: Catalog) -> None:
    asked = 0

    def ask() -> int:
        nonlocal asked
        asked += 1
        return asked

    held = shelf.shelf_of(catalog)
    assert held.remember("pairs", RUN, 2, "x", ask) == held.remember("pairs", RUN, 2, "x", ask) == 1
    workspace.run(RUN).stage(2, "synthesize").write("pairs", [make_pair(2, 11)])
    assert held.remember("pairs", RUN, 2, "x", ask) == 2
    assert pairs.find_pair(catalog, RUN, pair_id(2, 11)) is not None


# --- runs, scores, training ----------------------------------------------------------------------------------


def test_scores_hold_controls_and_versions(catalog: Catalog) -> None:
    found = scores.run_scores(catalog, RUN)
    assert [score.judge for score in found] == ["control:shorter-wins", "judge-v0", "judge-v1"]
    assert scores.benchmarks(catalog, RUN) == ["held-out"]
    assert scores.run_scores(catalog, RUN, benchmark="other") == []


def test_steps_and_versions_come_by_iteration(catalog: Catalog) -> None:
    steps = training.run_steps(catalog, RUN)
    assert {iteration: [step.step for step in some] for iteration, some in steps.items()} == {1: [1, 2, 3]}
    assert [(row.judge, row.parent) for row in training.run_versions(catalog, RUN)] == [
        ("judge-v0", None),
        ("judge-v1", "judge-v0"),
    ]
