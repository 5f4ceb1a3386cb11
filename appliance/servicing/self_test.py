"""The self-test that the page asks for: what `hemadiff doctor` looks at, as the instrument sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from appliance.channel_client import InstrumentClient
from appliance.doctor import CHECKS, Finding, Verdict, examine
from appliance.doctor.finding import passed
from appliance.doctor.networks import engine
from appliance.errors import ApplianceError, ApplianceRefused

if TYPE_CHECKING:
    from appliance.config import Config

STATUS_WITHIN_S = 10.0
OF_THE_INSTRUMENT = ("permissions", "port", "camera", "engine")
"""What can only be judged where the instrument runs: another process may have no right to it."""


def self_test(config: Config) -> list[Finding]:
    """Make every check, in the instrument's process. The engine that it has loaded is not loaded once more.

    Whether the page answers is left to the page: it asks for this, and the instrument's unit has no network.
    """
    loaded = _loaded(config)
    checks = {name: check for name, check in CHECKS.items() if name != "page"}
    return list(examine(config, {**checks, "engine": lambda asked: loaded or engine(asked)}))


def without_instrument(config: Config) -> list[Finding]:
    """Make the checks that can be made without one."""
    return list(
        examine(config, {name: check for name, check in CHECKS.items() if name not in OF_THE_INSTRUMENT})
    )


def as_objects(findings: list[Finding]) -> list[dict[str, Any]]:
    """Return findings as JSON has them."""
    return [asdict(each) for each in findings]


def as_findings(objects: list[Mapping[str, Any]]) -> list[Finding]:
    """Return what `as_objects` gave."""
    return [Finding(each["what"], Verdict(each["verdict"]), each["said"], each["do"]) for each in objects]


def _loaded(config: Config) -> Finding | None:
    """What the instrument counts with; None where it has loaded nothing yet."""
    try:
        said = InstrumentClient(config.socket_path, STATUS_WITHIN_S).status()["instrument"]
    except (ApplianceError, ApplianceRefused):
        return None
    if said["engine"] is None:
        return None
    return passed("engine", f"{said['engine']} has {said['weights']} loaded.")
