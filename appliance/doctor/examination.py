"""All checks, one after the other, in the order in which somebody would mend what they find."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from appliance.doctor import box, hardware, networks, records, services
from appliance.doctor.finding import Finding, failed

if TYPE_CHECKING:
    from appliance.config import Config

Check = Callable[["Config"], Finding]

CHECKS: Mapping[str, Check] = {
    "permissions": box.permissions,
    "disk": box.disk,
    "clock": box.clock,
    "database": records.database,
    "backup": records.backup,
    "weights": networks.weights,
    "engine": networks.engine,
    "port": hardware.port,
    "camera": hardware.camera,
    "calibration": records.calibration,
    "quality control": records.quality_control,
    "instrument": services.instrument,
    "page": services.page,
    "certificate": services.certificate,
}


def examine(config: Config, checks: Mapping[str, Check] = CHECKS) -> Iterator[Finding]:
    """Make every check, and give what it found. One that fails itself is a finding too; the others still follow."""
    for what, check in checks.items():
        try:
            yield check(config)
        except Exception as error:  # noqa: BLE001 - whoever looks for a fault must see the rest as well
            said = f"The check itself failed: {type(error).__name__}: {error}."
            yield failed(what, said, "Report this with the version (hemadiff --version).")
