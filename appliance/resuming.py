"""Whether a run that was paused may go on with what is there now, and what a person confirms by resuming it."""

from __future__ import annotations

from appliance.equipment import Equipment
from appliance.errors import ApplianceRefused
from appliance.red_cell_check import RedCellCheck, Verdict
from appliance.store_records import RunRecord


def refuse_unless_the_same(record: RunRecord, equipment: Equipment) -> None:
    """Raise ApplianceRefused unless they are: two weights, engines, scales or folders never share a count.

    A microscope does not know how many fields it has before it has looked at the slide: then that is not asked.
    """
    source, analyser = equipment.source, equipment.analyser
    for what, before, now in (
        ("weights", record.weights, analyser.weights),
        ("engine", record.engine, analyser.engine),
        ("scale", f"{record.scale.um_per_px:g} µm/px", f"{source.scale.um_per_px:g} µm/px"),
        ("calibration", record.scale.id, source.scale.id),
        ("number of fields", record.planned, record.planned if source.planned is None else source.planned),
    ):
        if before != now:
            raise ApplianceRefused(
                f"The run {record.id} cannot be resumed: its {what} was {before} and is {now} now. "
                "Restore it, or stop the run and start a new one."
            )
    if record.digest != source.digest:
        raise ApplianceRefused(
            f"The run {record.id} cannot be resumed: the fields of {source.name} are not the ones that it began with. "
            "Restore them, or stop the run and start a new one."
        )


TRUSTED = "It was paused and resumed: that its slide was neither moved nor changed is the word of a person."


def trusted(record: RunRecord, mapped: bool) -> tuple[str, ...]:
    """Return what nobody can check of a run that is resumed: its map is used again on the slide that lies there now.

    mapped: whether the slide was looked over before the pause. A simulated slide cannot be changed.
    """
    return (TRUSTED,) if mapped and not record.simulated else ()


def confirmed(record: RunRecord, check: RedCellCheck | None) -> tuple[str, ...]:
    """Return what a person confirms who resumes a run after its red cells were measured.

    Raises ApplianceRefused where they said that the scale is wrong.
    """
    if check is None or check.verdict in (Verdict.FITS, Verdict.NOT_MEASURED):
        return ()
    if check.verdict is Verdict.WRONG:  # cut off before the run was put into its end state
        raise ApplianceRefused(
            f"The run {record.id} cannot be resumed. {check.said} Stop it, and start a new run."
        )
    return (check.confirmed,)
