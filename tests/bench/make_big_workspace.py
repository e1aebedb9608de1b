"""Write a workspace of a million pairs and four million traces, in parts as large as the engine's own.

    python tests/bench/make_big_workspace.py /tmp/big [--pairs 1000000] [--iterations 4] [--samples 2]

The last iteration is still at work: it has judge's traces but no selection. Texts are drawn from a vocabulary with
a long tail; nothing is a model's. The same arguments give the same rows.
"""

import argparse
import json
import time
from pathlib import Path

import duckdb
import yaml

from engine.config import parse_settings, settings_as_dict
from engine.stages.judge import _TRACES_PER_PART as JUDGE_ROWS
from engine.stages.select.stage import TRACES_PER_PART as SELECT_ROWS
from engine.stages.synthesize.stage import _ROWS_PER_PART as PAIR_ROWS
from engine.workspace.folders import RunFolder, StageFolder, open_workspace
from engine.workspace.state import RunState, write_state

RUN = "big-01"
IMAGE_ROWS = 5_000
COMMON = """
the a one two three four five six is are has with near left right above below behind between small large tall
short red blue green yellow orange purple pink white black grey brown striped round square wooden metal glass
paper open closed empty full bright dark circle star cross triangle dog cat horse bird table chair cup plate
window door street tree leaf flower cloud car bus train bicycle boat bridge river hill house roof wall sign
letter number clock lamp book shelf bottle spoon knife fork hat coat shoe glove bag box stone sand snow rain
"""


def make(root: Path, *, pairs: int, iterations: int, samples: int) -> None:
    """One run under `root`, which must not have it yet."""
    workspace = open_workspace(root)
    run = workspace.run(RUN)
    run.folder.mkdir(parents=True)
    record = {"settings": settings_as_dict(parse_settings({}, where="bench")), "libraries": {}}
    run.config.write_text(yaml.safe_dump(record, sort_keys=False), encoding="utf-8")
    state = RunState(run=RUN, state="stopped", stage="judge", iteration=iterations, iterations=iterations)
    write_state(run, state)
    database = duckdb.connect(":memory:")
    _vocabulary(database)
    _write_images(database, run.intake(), pairs // 4)
    for iteration in range(1, iterations + 1):
        started = time.monotonic()
        _write_iteration(database, run, iteration, pairs // iterations, pairs // 4, samples, iteration < iterations)
        print(f"iteration {iteration}: {time.monotonic() - started:.0f} s", flush=True)


def _vocabulary(database: duckdb.DuckDBPyConnection) -> None:
    """Common words first, then 4,000 made-up ones; `word(seed)` prefers the first."""
    database.execute("CREATE TABLE words AS SELECT unnest(?::VARCHAR[]) AS word", [COMMON.split()])
    database.execute("INSERT INTO words SELECT 'w' || substr(md5(n::VARCHAR), 1, 5) FROM range(4000) t(n)")
    database.execute("SET VARIABLE words = (SELECT list(word) FROM words)")
    database.execute("SET VARIABLE size = (SELECT count(*) FROM words)")
    database.execute("CREATE MACRO unit(seed) AS (hash(seed) % 1000003) / 1000003.0")
    database.execute(
        "CREATE MACRO word(seed) AS "
        "list_extract(getvariable('words'), 1 + (power(unit(seed), 5) * (getvariable('size') - 1))::INTEGER)"
    )
    database.execute("CREATE MACRO said(seed, n) AS list_transform(range(n), lambda j: word(seed * 512 + j))")


def _write_images(database: duckdb.DuckDBPyConnection, folder: StageFolder, count: int) -> None:
    folder.begin({"bench": True})
    database.execute(
        """CREATE OR REPLACE TABLE rows AS
           SELECT sha AS image_id, 'images/' || sha[:2] || '/' || sha || '.png' AS path, 640::BIGINT AS width,
                  480::BIGINT AS height, 'made up' AS source, 'photo ' || n AS name
           FROM (SELECT n, sha256('image ' || n) AS sha FROM range(?) t(n))""",
        [count],
    )
    _write_parts(database, folder, "images", IMAGE_ROWS)
    folder.finish({"images": count})


def _write_iteration(
    database: duckdb.DuckDBPyConnection,
    run: RunFolder,
    iteration: int,
    pairs: int,
    images: int,
    samples: int,
    selected: bool,
) -> None:
    synthesize, judge, select = (run.stage(iteration, stage) for stage in ("synthesize", "judge", "select"))
    for folder in (synthesize, judge, *([select] if selected else [])):
        folder.begin({"bench": True})
    first = iteration * 10_000_000
    database.execute(_PAIRS, {"first": first, "count": pairs, "images": images, "judge": iteration - 1})
    _write_parts(database, synthesize, "pairs", PAIR_ROWS)
    synthesize.finish({"pairs": pairs})
    database.execute("CREATE OR REPLACE TABLE pairs AS SELECT pair_id, image_id, dimension, dropped FROM rows")
    database.execute(_TRACES, {"samples": samples, "judge": iteration - 1, "first": iteration})
    _write_parts(database, judge, "traces", JUDGE_ROWS)
    judge.finish({"traces": pairs * samples * 2})
    if not selected:
        return
    database.execute(_SELECTED)
    _write_parts(database, select, "traces", SELECT_ROWS)
    database.execute(_FATES)
    _write_parts(database, select, "fates", pairs)
    select.finish({"kept": 0})


_PAIRS = """
CREATE OR REPLACE TABLE rows AS
SELECT md5('pair ' || n)[:16] AS pair_id,
       md5('instruction ' || n)[:16] AS instruction_id,
       sha256('image ' || (n % $images)) AS image_id,
       'What is ' || array_to_string(said(n, 7), ' ') || '?' AS question,
       CASE WHEN is_open THEN 'open' ELSE 'closed' END AS kind,
       CASE WHEN is_open THEN 'alteration' ELSE 'majority' END AS strategy,
       ['attribute', 'count', 'position', 'existence', 'shape', 'comparison', 'text'][1 + (hash(n + 5) % 7)::BIGINT]
           AS dimension,
       CASE WHEN dropped = 'no-majority' THEN '' ELSE upper(body[1][1]) || array_to_string(body, ' ')[2:] || '.' END
           AS preferred,
       CASE WHEN dropped = 'no-majority' THEN ''
            ELSE upper(body[1][1]) || array_to_string(list_concat(
                    list_slice(body, 1, spot), [word(n * 7 + 3)], list_slice(body, spot + 2, 99)), ' ')[2:] || '.'
       END AS degraded,
       CASE WHEN NOT is_open THEN '{"three": 9, "four": 5, "six": 2}' END AS votes,
       CASE WHEN is_open THEN body[spot + 1] || ' to ' || word(n * 7 + 3) END AS altered,
       'judge-v' || $judge AS writer,
       dropped
FROM (SELECT n, said(n + 1000, 20 + (hash(n) % 21)::BIGINT) AS body, 3 + (hash(n + 9) % 15)::BIGINT AS spot,
             hash(n + 1) % 2 = 0 AS is_open,
             CASE hash(n + 2) % 60 WHEN 0 THEN 'no-majority' WHEN 1 THEN 'same' WHEN 2 THEN 'length' END AS dropped
      FROM range($first, $first + $count) t(n))
"""

_TRACES = """
CREATE OR REPLACE TABLE rows AS
SELECT md5(pair_id || asked || sample)[:16] AS trace_id, pair_id, image_id, dimension,
       'judge-v' || $judge AS judge, asked AS "order", sample,
       array_to_string(said(seed, 30 + (hash(seed) % 41)::BIGINT), ' ') || '. Verdict: '
           || CASE verdict WHEN 'invalid' THEN 'none' ELSE '[[' || verdict || ']]' END AS reasoning,
       verdict, 30 + (hash(seed) % 41)::BIGINT AS tokens, NULL::BOOLEAN AS kept, NULL::VARCHAR AS reason
FROM (SELECT *, CASE WHEN chance < 0.02 THEN 'invalid' WHEN chance < 0.022 THEN 'tie'
                     WHEN chance < 0.66 THEN CASE asked WHEN 'AB' THEN 'A' ELSE 'B' END
                     ELSE CASE asked WHEN 'AB' THEN 'B' ELSE 'A' END END AS verdict
      FROM (SELECT *, (hash(pair_id || asked || sample) % 500000000)::BIGINT AS seed,
                   unit(pair_id || asked || sample || $first) AS chance
            FROM (SELECT * FROM pairs WHERE dropped IS NULL),
                 (VALUES ('AB'), ('BA')) orders(asked),
                 (SELECT range::BIGINT AS sample FROM range($samples))))
ORDER BY hash(pair_id), asked, sample
"""

_SELECTED = """
CREATE OR REPLACE TABLE rows AS
SELECT * REPLACE (reason = 'agrees' AS kept, reason AS reason)
FROM (SELECT * REPLACE (CASE WHEN verdict IN ('invalid', 'tie') THEN verdict
                             WHEN (verdict = 'A') != ("order" = 'AB') THEN 'wrong'
                             WHEN NOT holds THEN 'order-flip'
                             WHEN unit(trace_id) < 0.1 THEN 'capped'
                             WHEN sample > 0 AND unit(trace_id) < 0.5 THEN 'surplus'
                             ELSE 'agrees' END AS reason)
      FROM (SELECT *, bool_and((verdict = 'A') = ("order" = 'AB')) OVER (PARTITION BY pair_id) AS holds FROM rows))
ORDER BY pair_id, "order", sample
"""

_FATES = """
CREATE OR REPLACE TABLE rows AS
SELECT pair_id, count(*) FILTER (kept) AS kept_traces, count(*) AS traces,
       CASE WHEN bool_or(kept) THEN 'kept' ELSE mode(reason) END AS fate
FROM rows GROUP BY pair_id ORDER BY pair_id
"""


def _write_parts(database: duckdb.DuckDBPyConnection, folder: StageFolder, table: str, rows: int) -> None:
    """The table `rows`, minus helper columns, as parts of the engine's size and compression."""
    found = database.execute("SELECT count(*) FROM rows").fetchone()
    columns = "* EXCLUDE (holds)" if _has(database, "holds") else "*"
    for number, start in enumerate(range(0, found[0] if found else 0, rows)):
        path = folder.folder / f"{table}-{number:05d}.parquet"
        database.execute(
            f"COPY (SELECT {columns} FROM rows WHERE rowid >= {start} AND rowid < {start + rows}) "
            f"TO '{path}' (FORMAT parquet, COMPRESSION zstd)"
        )


def _has(database: duckdb.DuckDBPyConnection, column: str) -> bool:
    return any(row[0] == column for row in database.execute("DESCRIBE rows").fetchall())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pairs", type=int, default=1_000_000)
    parser.add_argument("--iterations", type=int, default=4)
    parser.add_argument("--samples", type=int, default=2, help="traces per order")
    options = parser.parse_args()
    started = time.monotonic()
    make(options.folder, pairs=options.pairs, iterations=options.iterations, samples=options.samples)
    size = sum(path.stat().st_size for path in options.folder.rglob("*") if path.is_file())
    print(json.dumps({"seconds": round(time.monotonic() - started), "megabytes": size // 1_000_000}))


if __name__ == "__main__":
    main()
