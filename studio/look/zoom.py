"""What a visitor looks closer at in a chart, in JavaScript. It stays when the chart is drawn anew.

Gradio makes a new chart of every new figure, so Plotly's own `uirevision` has nothing to keep it in.
"""

ZOOM_SCRIPT = """
const panel = element.closest('[role=tabpanel]'), kept = new Map();
const runOf = () => new URL(window.location.href).searchParams.get('run') || '';
const same = (one, other) => one.every((end, place) => Math.abs(end - other[place]) < 1e-6);
const keep = (chart, place) => {
  const whole = chart.layout.xaxis.range.slice(), last = kept.get(place);
  chart.isKept = true;
  chart.on('plotly_relayout', () => {
    const {range, autorange} = chart.layout.xaxis;
    if (autorange || same(range, whole)) kept.delete(place);
    else kept.set(place, {run: runOf(), range: range.slice()});
  });
  if (!last) return;
  if (last.run !== runOf() || last.range[0] >= whole[1]) kept.delete(place);
  else window.Plotly.relayout(chart, {'xaxis.range': last.range});
};
new MutationObserver(() => panel.querySelectorAll('.st-zoom').forEach((box, place) => {
  const chart = box.querySelector('.js-plotly-plot');
  if (chart && chart.on && !chart.isKept && (chart.layout.xaxis || {}).range) keep(chart, place);
})).observe(panel, {subtree: true, childList: true});
"""
"""`js_on_load` of a card in the tab of the charts, which lie in boxes of the class `st-zoom`: the part of the step
axis that is looked at. A double-click, or another run, ends it."""
