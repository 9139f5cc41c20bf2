"""What one factor changed, with an interval and a verdict; reads saved results and never imports torch.

>>> from landscape.comparison import verdicts
>>> for verdict in verdicts(results): print(verdict.sentence)                 # doctest: +SKIP
"""

from landscape.comparison.changes import Change
from landscape.comparison.claims import Claim, Finding, findings
from landscape.comparison.conditional import Conditioned, conditional
from landscape.comparison.correlations import correlations
from landscape.comparison.pairs import Pair, pairs
from landscape.comparison.phase import Quadrants, Trend, quadrants, trends
from landscape.comparison.readings import LINKED, QUANTITIES, READINGS
from landscape.comparison.seeds import members, pooled
from landscape.comparison.verdicts import Verdict, verdicts
from landscape.results.reading import Reading

__all__ = [
    "LINKED",
    "QUANTITIES",
    "READINGS",
    "Change",
    "Claim",
    "Conditioned",
    "Finding",
    "Pair",
    "Quadrants",
    "Reading",
    "Trend",
    "Verdict",
    "conditional",
    "correlations",
    "findings",
    "members",
    "pairs",
    "pooled",
    "quadrants",
    "trends",
    "verdicts",
]
