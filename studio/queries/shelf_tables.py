"""The tables of the shelf in SQL: what is kept of pairs and traces, and how it is read from Parquet parts."""

ROW_BITS, ITERATION_BITS = 24, 48
"""A place is one number that says where a row lies: iteration << 48, part << 24, row within the part. It is the same in
every process that reads the same files."""

TABLES = """
CREATE TABLE pairs(
    run VARCHAR, iteration USMALLINT, place BIGINT, rank BIGINT, pair_key UBIGINT, kind VARCHAR, strategy VARCHAR,
    dimension VARCHAR, fate VARCHAR, kept_traces USMALLINT, traces USMALLINT);
CREATE TABLE texts(run VARCHAR, iteration USMALLINT, place BIGINT, body VARCHAR);
CREATE TABLE hits(search BIGINT, place BIGINT);
CREATE TABLE traces(
    run VARCHAR, iteration USMALLINT, place BIGINT, pair_key UBIGINT, judge VARCHAR, "order" VARCHAR,
    sample USMALLINT, verdict VARCHAR, reason VARCHAR, dimension VARCHAR);
CREATE TABLE images(run VARCHAR, iteration USMALLINT, image_key UBIGINT, path VARCHAR, width USMALLINT);
"""
PLACE = (
    rf"($iteration::BIGINT << {ITERATION_BITS}) + "
    rf"(regexp_extract(filename, '-(\d+)\.parquet$', 1)::BIGINT << {ROW_BITS}) + file_row_number"
)
"""Of a row of a part that is read with `ORIGIN`; `$iteration` is the part's."""
ORIGIN = ", filename = true, file_row_number = true"
DROPPED = "dropped: "
"""Prefix of the fate of a pair that synthesize dropped; its reason follows."""
WAITING = "waiting"
"""Fate of a pair, and reason of a trace, before select is done."""

_KEY = "CASE WHEN length(pair_id) = 16 THEN TRY_CAST('0x' || pair_id AS UBIGINT) END"
_SORT = "2 * (dropped IS NOT NULL)::INTEGER + (kind IS NOT DISTINCT FROM 'open')::INTEGER"
_RANK = f"""($iteration::BIGINT << {ITERATION_BITS}) + sort
    + 4 * (row_number() OVER (PARTITION BY sort ORDER BY {PLACE}) - 1 + (
        SELECT count(*) FROM pairs WHERE run = $run AND iteration = $iteration AND rank % 4 = sort))"""
"""The order of the page: an iteration's pairs as they were written, a closed and an open one by turns, the dropped ones
by themselves. Parts that come later add to it and change no rank. Neighbours of a kind lie in one part, so that a page
is read from two."""
_FILL_PAIRS = f"""
INSERT INTO pairs
SELECT $run, $iteration, {PLACE}, {_RANK} AS rank, coalesce({_KEY}, hash(pair_id)), kind, strategy, dimension,
       CASE WHEN dropped IS NOT NULL THEN '{DROPPED}' || dropped ELSE coalesce(fate, '{WAITING}') END,
       kept_traces, traces
FROM (SELECT *, {_SORT} AS sort FROM {{parts}}) {{fates}}
ORDER BY rank
"""
_FILL_TEXTS = f"""
INSERT INTO texts
SELECT $run, $iteration, {PLACE}, lower(question || chr(10) || preferred || chr(10) || degraded) FROM {{parts}}
"""
_FILL_TRACES = f"""
INSERT INTO traces
SELECT $run, $iteration, {PLACE}, coalesce({_KEY}, hash(pair_id)), judge, "order", sample, verdict,
       coalesce(reason, '{WAITING}'), dimension
FROM {{parts}}
"""
_FILL_IMAGES = """
INSERT INTO images
SELECT $run, $iteration, TRY_CAST('0x' || left(image_id, 16) AS UBIGINT), path, least(width, 65535) FROM {parts}
"""
FILL = {"pairs": _FILL_PAIRS, "texts": _FILL_TEXTS, "traces": _FILL_TRACES, "images": _FILL_IMAGES}
PARTS = {"texts": "pairs"}
"""Whose parts a table is filled from, where it is not its own."""
FATES = "LEFT JOIN (SELECT pair_id, fate, kept_traces, traces FROM {parts}) AS fates USING (pair_id)"
NO_FATES = ", (SELECT NULL::VARCHAR AS fate, NULL::BIGINT AS kept_traces, NULL::BIGINT AS traces)"
