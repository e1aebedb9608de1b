"""The style sheet of the report; the studio's colours, light and dark, and readable on paper."""

SHEET = """
:root { --paper:#f2f4f1; --panel:#fcfdfb; --line:#d7dcd7; --ink:#17201f; --dim:#606b68; --accent:#0b6480;
  --kept:#1a6f40; --rejected:#ab3226; --control:#8c8577; --new:#1f86a6; --flip:#855300; --invalid:#5b5678; }
@media (prefers-color-scheme: dark) { :root { --paper:#0e1313; --panel:#151b1b; --line:#2a3433; --ink:#e4eae8;
  --dim:#8d9996; --accent:#5fc0db; --kept:#62c98e; --rejected:#f0907f; --flip:#e2b354; --invalid:#b3adcf; } }
* { box-sizing: border-box; }
body { margin:0; background:var(--paper); color:var(--ink); font-variant-numeric:tabular-nums;
  font:15px/1.55 -apple-system,BlinkMacSystemFont,"Segoe UI","Helvetica Neue",Arial,sans-serif; }
main { max-width:960px; margin:0 auto; padding:32px 20px 48px; display:flex; flex-direction:column; gap:20px; }
h1,h2,h3,p { margin:0 0 8px; }
h1 { font-size:26px; }
h2 { font-size:18px; }
h3 { font-size:14px; margin-top:18px; }
.kicker { color:var(--accent); font-weight:600; }
.lead { font-size:17px; }
.dim,footer { color:var(--dim); font-size:13px; }
section { background:var(--panel); border:1px solid var(--line); border-radius:6px; padding:18px 20px; }
figure { margin:8px 0; }
svg { width:100%; height:auto; display:block; }
svg text { font-size:11px; fill:var(--dim); }
svg .value { fill:var(--ink); font-size:12px; }
.grid { stroke:var(--line); }
.control { stroke:var(--control); stroke-dasharray:5 4; }
.bar { stroke:var(--new); stroke-width:2; }
.dot { fill:var(--new); }
.dot.best { fill:var(--kept); stroke:var(--panel); stroke-width:2; }
.line { fill:none; stroke:var(--new); stroke-width:1.5; }
.c1 { stroke:#b0702c; }
.c2 { stroke:#5b5678; }
.c3 { stroke:#1a6f40; }
.wide { overflow-x:auto; }
table { border-collapse:collapse; width:100%; font-size:13px; }
th,td { text-align:left; padding:5px 10px 5px 0; border-bottom:1px solid var(--line); vertical-align:top; }
th { color:var(--dim); font-weight:500; }
td { overflow-wrap:anywhere; }
.cards { display:flex; flex-direction:column; gap:14px; }
article { display:grid; grid-template-columns:140px 1fr; gap:16px; border-left:3px solid var(--line);
  padding-left:14px; overflow-wrap:anywhere; }
article.kept { border-color:var(--kept); }
article.rejected { border-color:var(--rejected); }
.kept .fate { color:var(--kept); }
.rejected .fate { color:var(--rejected); }
.fate { font-size:13px; font-weight:600; }
article img { width:100%; image-rendering:auto; border-radius:4px; }
blockquote { margin:8px 0 0; padding:8px 12px; background:var(--paper); border-radius:4px; white-space:pre-wrap; }
ins { background:color-mix(in srgb, var(--kept) 18%, transparent); }
del { background:color-mix(in srgb, var(--rejected) 18%, transparent); }
ins,del { text-decoration-thickness:1px; text-underline-offset:2px; }
del { text-decoration:underline; }
.beside td,.beside th { width:50%; }
.grid-of { display:flex; flex-wrap:wrap; gap:6px 5px; }
.grid-of > span { display:flex; flex-direction:column; gap:2px; }
.lens,.none { width:20px; height:12px; fill:none; stroke:currentColor; stroke-width:1.6; text-align:center;
  line-height:12px; color:var(--dim); }
.lens.right { color:var(--kept); }
.lens.wrong { color:var(--rejected); }
.lens.order-flip { color:var(--flip); }
.lens.invalid { color:var(--invalid); }
summary { cursor:pointer; font-weight:600; }
@media (max-width:600px) { article { grid-template-columns:1fr; } }
@media print { body { background:#fff; } section { break-inside:avoid; } }
"""
