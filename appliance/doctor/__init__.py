"""Checks of the whole instrument: each passes, or says what to do."""

from appliance.doctor.examination import CHECKS, examine
from appliance.doctor.finding import Finding, Verdict

__all__ = ["CHECKS", "Finding", "Verdict", "examine"]
