"""`hemadiff doctor`: looks at everything that a count needs; each line passes, or says what to do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from appliance.cli import FAILED, Session, pass_session

if TYPE_CHECKING:
    from appliance.doctor import Finding

MARKS = {"passed": ("✓", "green"), "warning": ("!", "yellow"), "failed": ("✗", "red")}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="A list of {what, verdict, said, do}.")
@pass_session
def doctor(session: Session, as_json: bool) -> None:
    """Check ports, camera, disk, clock, database, weights, calibration, engine and permissions. Nothing moves.

    Each line passes, or says what to do. Exit status: 0 without a failure, 1 with one. Research use only.

    \b
    Examples:
      hemadiff doctor
      sudo -u hemadiff hemadiff doctor --json
    """
    from appliance.doctor import Verdict

    found = []
    for finding in _findings(session):
        found.append(finding)
        if not as_json:
            _say(finding)
    if as_json:
        click.echo(json.dumps([asdict(each) for each in found], ensure_ascii=False, indent=1))
    if any(each.verdict is Verdict.FAILED for each in found):
        raise SystemExit(FAILED)


def _findings(session: Session) -> Iterator[Finding]:
    from appliance.doctor import examine
    from appliance.doctor.finding import failed, passed
    from appliance.errors import ApplianceRefused

    try:
        config, origins = session.settings
    except ApplianceRefused as refused:
        yield failed("settings", str(refused), "Nothing else can be checked before that.")
        return
    places = {origin.partition(", line")[0] for origin in origins.values()} - {"default"}
    yield passed("settings", f"From {', '.join(sorted(places))}." if places else "All are the defaults.")
    yield from examine(config)


def _say(finding: Finding) -> None:
    mark, colour = MARKS[finding.verdict]
    click.echo(f"{click.style(mark, fg=colour, bold=True)} {finding.what}: {finding.said}")
    if finding.do:
        click.echo(f"  → {finding.do}")
