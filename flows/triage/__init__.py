"""Triage: which route a caller's words mean, by sound and by meaning, with evidence.

`TriageModel.assess` runs on every hypothesis, partial ones too. What the routes mean is in
`TRIAGE_RUBRIC.md`; phrases and weights are data beside this file.
"""

from flows.triage.assessment import LINES, ROUTES, Assessment, Evidence, Turn
from flows.triage.model import TriageModel

__all__ = ["LINES", "ROUTES", "Assessment", "Evidence", "TriageModel", "Turn"]
