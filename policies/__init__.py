"""Rules over planned resources, each with id, reason, fix and source. Nothing here knows a stack's name or asks Azure anything."""

from policies.evaluation import Outcome, Report, Result, Violation, evaluate, planned_from_preview_json
from policies.planned import SECRET, UNKNOWN, PlannedResource
from policies.rule import Rule

__all__ = ["SECRET", "UNKNOWN", "Outcome", "PlannedResource", "Report", "Result", "Rule", "Violation", "evaluate", "planned_from_preview_json"]
