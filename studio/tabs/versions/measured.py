"""How one version's numbers on a benchmark came about: each protocol it was measured under, what others published, and
what a reader must know. Plain values in, HTML out."""

_PARTIAL = ", partial"
_WHY_THEY_DIFFER = (
    "The numbers differ since prompt, sampling, the orders shown, and what becomes of a reply without a verdict differ."
)
