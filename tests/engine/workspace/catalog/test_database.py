"""The views over a workspace: what they hold, what a user's question may not do, and damaged or vanished parts."""

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from engine.errors import UsageError
from engine.records import VerdictRow
from engine.workspace.catalog.database import Catalog, open_catalog
from engine.workspace.catalog.views import RECORDS
from engine.workspace.folders import Workspace, open_workspace
from tests.sample_workspace import make_run, make_workspace, write_selection

DESIGNED = {
    "runs": "run, state, stage, base_model, iterations, best, started_at, seconds",
    "images": "image_id, path, width, height, source",
    "instructions": "run, instruction_id, image_id, question, kind, answer_type, split",
    "pairs": "run, iteration, pair_id, instruction_id, image_id, question, strategy, dimension, preferred, degraded, "
    "votes, dropped",
    "traces": "run, iteration, pair_id, judge, order, sample, reasoning, verdict, kept, reason, tokens",
    "steps": "run, iteration, step, loss, learning_rate, tokens",
    "versions": "run, iteration, judge, parent, adapter, trained_on",
    "verdicts": "run, judge, benchmark, item_id, image_id, dimension, order, verdict, correct",
    "scores": "run, judge, benchmark, protocol, dimension, n, accuracy, low, high, invalid, position_lean, length_lean",
}


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return make_workspace(tmp_path / "ws")


def one(catalog: Catalog, question: str) -> object:
    return catalog.sql(question).rows[0][0]


@pytest.mark.parametrize("view", DESIGNED)
def test_view_of_an_empty_workspace_has_the_designed_columns_and_no_rows(tmp_path: Path, view: str) -> None:
    result = open_catalog(open_workspace(tmp_path)).sql(f"from {view}")
    assert set(DESIGNED[view].split(", ")) <= set(result.columns)
    assert result.rows == []


def test_types_are_the_same_with_and_without_rows(tmp_path: Path, workspace: Workspace) -> None:
    empty, full = open_catalog(open_workspace(tmp_path / "empty")), open_catalog(workspace)
    for view in ["runs", *RECORDS]:
        assert empty.sql(f"describe {view}").rows == full.sql(f"describe {view}").rows, view


def test_views_hold_the_rows_of_their_stages(workspace: Workspace) -> None:
    catalog = open_catalog(workspace)
    counts = {view: one(catalog, f"select count(*) from {view}") for view in RECORDS}
    assert counts == {
        "images": 4, "looks": 0, "skipped": 1, "instructions": 8, "pairs": 20, "traces": 64, "steps": 3, "versions": 2,
        "items": 4, "verdicts": 16, "scores": 3,
    }  # fmt: skip


def test_traces_come_from_judge_until_select_is_done_and_then_once_with_their_fate(workspace: Workspace) -> None:
    catalog = open_catalog(workspace)
    question = "select iteration, count(*), count(reason) from traces group by 1 order by 1"
    assert catalog.sql(question).rows == [(1, 32, 32), (2, 32, 0)]
    run = workspace.run("shapes-01")
    run.stage(2, "select").write("traces", [])
    write_selection(run, 2)
    assert catalog.sql(question).rows == [(1, 32, 32), (2, 32, 32)]
    (run.stage(2, "select").folder / "done.json").unlink()
    assert catalog.sql(question).rows == [(1, 32, 32), (2, 32, 0)]


def test_pairs_carry_their_fate_and_dropped_ones_their_reason(workspace: Workspace) -> None:
    rows = open_catalog(workspace).sql(
        "select fate, count(*), max(kept_traces) from pairs where iteration = 1 and dropped is null group by 1"
    )
    assert ("kept", 3, 4) in rows.rows
    assert ("order-flip", 1, 0) in rows.rows
    dropped = open_catalog(workspace).sql("select distinct dropped from pairs where dropped is not null order by 1")
    assert dropped.rows == [("no-majority",), ("same",)]


def test_runs_say_what_state_json_and_config_say(workspace: Workspace) -> None:
    result = open_catalog(workspace).sql("select run, state, base_model, best, seconds, iterations from runs")
    assert result.rows == [("shapes-01", "stopped", "shapes-vlm", "judge-v1", 125.2, 4)]


def test_new_parts_and_deleted_runs_are_seen_at_the_next_question(workspace: Workspace) -> None:
    catalog = open_catalog(workspace)
    assert one(catalog, "select count(*) from pairs") == 20
    make_run(workspace, "shapes-02", iterations=1)
    assert catalog.sql("select run, count(*) from pairs group by 1 order by 1").rows == [
        ("shapes-01", 20),
        ("shapes-02", 10),
    ]
    shutil.rmtree(workspace.run("shapes-01").folder)
    assert catalog.sql("select distinct run from pairs").rows == [("shapes-02",)]
    assert catalog.sql("select run from runs").rows == [("shapes-02",)]


def test_refresh_says_whether_anything_changed(workspace: Workspace) -> None:
    catalog = open_catalog(workspace)
    assert catalog.refresh()
    assert not catalog.refresh()
    shutil.rmtree(workspace.run("shapes-01").folder / "iteration-02")
    assert catalog.refresh()


def test_part_cut_off_is_left_out_named_and_taken_back_when_mended(workspace: Workspace) -> None:
    part = workspace.run("shapes-01").stage(1, "synthesize").parts("pairs")[0]
    data = part.read_bytes()
    part.write_bytes(data[: len(data) // 2])
    catalog = open_catalog(workspace)
    assert one(catalog, "select count(*) from pairs where iteration = 1") == 6
    assert [fault.path for fault in catalog.faults()] == [str(part)]
    assert "Delete it and resume" in catalog.faults()[0].what
    part.write_bytes(data)
    assert one(catalog, "select count(*) from pairs where iteration = 1") == 10
    assert catalog.faults() == []


def test_part_damaged_in_the_middle_is_left_out_when_a_question_meets_it(workspace: Workspace) -> None:
    part = workspace.run("shapes-01").stage(1, "select").parts("traces")[0]
    data = part.read_bytes()
    catalog = open_catalog(workspace)
    assert one(catalog, "select count(reasoning) from traces where iteration = 1") == 32
    part.write_bytes(data[:4] + bytes(len(data) // 2) + data[4 + len(data) // 2 :])
    assert one(catalog, "select count(*) from (select distinct * from traces where iteration = 1)") == 0
    assert [fault.path for fault in catalog.faults()] == [str(part)]


def test_part_of_an_older_version_has_the_defaults_of_columns_that_came_later(workspace: Workspace) -> None:
    folder = workspace.run(one(open_catalog(workspace), "select run from verdicts limit 1")).stage(0, "evaluate")
    (part, *_) = folder.parts("verdicts")
    new = folder.read("verdicts", VerdictRow)
    pq.write_table(pq.read_table(part).drop_columns(["protocol", "sample"]), part)
    assert folder.read("verdicts", VerdictRow) == new
    found = open_catalog(workspace).sql("select distinct protocol, sample from verdicts where iteration = 0")
    assert found.rows == [("strict", 0)]


def test_part_that_lacks_a_column_is_left_out(workspace: Workspace) -> None:
    import duckdb

    part = workspace.run("shapes-01").stage(1, "train").parts("steps")[0]
    duckdb.sql(f"copy (select step, loss from '{part}') to '{part}.new' (format parquet)")
    os.replace(f"{part}.new", part)
    catalog = open_catalog(workspace)
    assert one(catalog, "select count(*) from steps") == 0
    assert "lacks the column" in catalog.faults()[0].what


def test_part_of_another_name_or_behind_a_link_is_no_part(workspace: Workspace, tmp_path: Path) -> None:
    folder = workspace.run("shapes-01").stage(2, "synthesize").folder
    shutil.copy(folder / "pairs-00000.parquet", folder / ".pairs-00009.parquet.77.tmp")
    shutil.move(folder / "pairs-00001.parquet", tmp_path / "outside.parquet")
    (folder / "pairs-00001.parquet").symlink_to(tmp_path / "outside.parquet")
    assert one(open_catalog(workspace), "select count(*) from pairs where iteration = 2") == 6


@pytest.mark.parametrize(
    "attack",
    [
        "select * from read_text('{ws}/runs/shapes-01/config.yaml')",
        "select * from read_text('/etc/passwd')",
        "select * from read_blob('{ws}/studio.sqlite')",
        "from '/etc/passwd'",
        "from read_csv('/etc/passwd')",
        "from glob('/etc/*')",
        "from read_parquet('{ws}/runs/*/*/*/*.parquet')",
        "copy pairs to '{out}'",
        "copy (select 1) to '{part}'",
        "create table x as select 1",
        "create view pairs2 as select 1",
        "drop view pairs",
        "insert into runs select 1",
        "attach '{out}'",
        "install httpfs",
        "load httpfs",
        "set memory_limit = '10GB'",
        "pragma enable_profiling",
        "call pragma_version()",
        "export database '{out}'",
        "from enable_logging('QueryLog', storage := 'file', storage_path := '{out}')",
        "from enable_profiling(save_location := '{out}')",
        "with x as (insert into runs values (1) returning *) from x",
        "explain analyze copy pairs to '{out}'",
        "select 1; select 2",
        "select * from query('copy (select 1) to ''{out}''')",
        "select * from workspace",
        "select getenv('HOME')",
        "select 1) limit 5; copy (select 1) to '{out}' --",
        "",
    ],
)
def test_question_that_reads_or_writes_elsewhere_is_refused(workspace: Workspace, tmp_path: Path, attack: str) -> None:
    (workspace.root / "studio.sqlite").write_bytes(b"secret")
    part = workspace.run("shapes-01").stage(1, "train").parts("steps")[0]
    before = part.read_bytes()
    text = (
        attack.replace("{ws}", str(workspace.root)).replace("{out}", str(tmp_path / "out")).replace("{part}", str(part))
    )
    with pytest.raises(UsageError, match=r"^sql: .*[.]$"):
        open_catalog(workspace).sql(text)
    assert not (tmp_path / "out").exists()
    assert part.read_bytes() == before


def test_question_with_more_rows_than_the_limit_is_cut_and_says_so(workspace: Workspace) -> None:
    catalog = open_catalog(workspace)
    cut = catalog.sql("select * from range(50) t(n) order by n desc", limit=7)
    assert [row[0] for row in cut.rows] == [49, 48, 47, 46, 45, 44, 43]
    assert cut.truncated
    assert not catalog.sql("from range(7)", limit=7).truncated


def test_question_with_a_semicolon_and_comments_is_answered(workspace: Workspace) -> None:
    assert open_catalog(workspace).sql("-- a;\nselect ';é' as n ; -- b;\n/* c; */").rows == [(";é",)]


def test_question_that_takes_too_long_is_stopped(workspace: Workspace) -> None:
    with pytest.raises(UsageError, match="took too long"):
        open_catalog(workspace).sql("select count(*) from range(1000000000000)", seconds=0.1)


def test_question_that_needs_too_much_memory_is_stopped(workspace: Workspace) -> None:
    with pytest.raises(UsageError, match="of memory"):
        open_catalog(workspace).sql(
            "select count(*) from (select distinct n, n::varchar || 'xxxxxxxxxxxx' from range(30000000) t(n))"
        )


def test_wrong_question_gets_duckdbs_sentence(workspace: Workspace) -> None:
    with pytest.raises(UsageError, match='Referenced column "colour" not found'):
        open_catalog(workspace).sql("select colour from pairs")


def test_many_threads_ask_while_parts_arrive(workspace: Workspace) -> None:
    catalog = open_catalog(workspace)
    counts: list[list[int]] = [[] for _ in range(4)]
    failures: list[Exception] = []

    def ask(mine: list[int]) -> None:
        try:
            for _ in range(10):
                mine.append(catalog.sql("select count(*) from pairs").rows[0][0])
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=ask, args=(mine,)) for mine in counts]
    for thread in threads:
        thread.start()
    for number in range(2, 6):
        make_run(workspace, f"shapes-{number:02d}", iterations=1)
    for thread in threads:
        thread.join()
    assert failures == []
    assert all(mine == sorted(mine) for mine in counts)
    assert one(catalog, "select count(*) from pairs") == 60


def test_schema_names_every_column_of_its_view_and_says_what_they_mean(workspace: Workspace) -> None:
    catalog = open_catalog(workspace)
    schema = catalog.schema()
    for view, columns in schema.items():
        assert [(column.name, column.type) for column in columns] == [
            row[:2] for row in catalog.sql(f"describe {view}").rows
        ]
    notes = {column.name: column.note for column in schema["traces"]}
    assert notes["sample"].startswith("0-based")
    assert {column.name: column.note for column in schema["pairs"]}["dropped"].startswith("None for a usable pair")


def test_catalog_is_imported_without_what_makes_it_slow() -> None:
    heavy = "torch transformers pyarrow pydantic yaml gradio pandas numpy"
    code = f"import sys, engine.workspace.catalog.database; print([m for m in {heavy.split()!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_run_on_its_way_to_deletion_is_out_of_the_views(workspace: Workspace) -> None:
    run = workspace.run("shapes-01").folder
    run.rename(run.with_name(".deleted-shapes-01-7"))
    assert one(open_catalog(workspace), "select count(*) from pairs") == 0
