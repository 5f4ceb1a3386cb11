"""The sentences of the pages' scripts, which the server translates for them.

A script says ``_("…")`` of words.js, and its sentence stands here too, where Babel reads it. As everywhere in the
catalogue a literal percent is ``%%``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flask_babel import gettext

from web.cell_names import CELL_NAMES, SHORT_NAMES


def _(sentence: str) -> str:
    """Mark a sentence for Babel."""
    return sentence


LIVE_PAGE: Sequence[str] = (
    _("Sample {sample}"),
    _("No sample number"),
    _("The page's server does not answer. Try again in a moment."),
    _("Both limits lie above the reference range"),
    _("Both limits lie below the reference range"),
    _("Reference range {range}"),
    _("{counted} cells are kept. A stopped count is not a differential and cannot be resumed."),
    _("Reference ranges"),
    _("Delete"),
    _("Field {field}: {count} found"),
    _("Blood"),
    _("Marrow"),
    _("Connecting"),
    _("Ready"),
    _("Not ready"),
    _("Preparing"),
    _("Differential, provisional"),
    _("Preparing, which can take a minute or two. Counting then begins by itself."),
    _("Counting"),
    _("Paused"),
    _("Paused."),
    _("Completed"),
    _("Differential"),
    _("Completed."),
    _("Insufficient"),
    _("What was counted"),
    _("Too few cells for a differential."),
    _("Not a result"),
    _("Stopped"),
    _("Stopped before the end."),
    _("Failed"),
    _("Counted before the failure"),
    _("The count failed."),
    _("Failed: no result"),
    _("Connection lost"),
    _("Instrument lost"),
    _("What you see is old."),
    _("{status}, signed by {who}"),
    _("not signed, reviewed by {who}"),
    _("The reviewed result: {result}."),
    _("It was changed since it was signed."),
    _("No connection to this page's server."),
    _("Last heard at {time}."),
    _("Connecting again…"),
    _("Instrument lost at {time}."),
    _("Not done."),
    _("Marked."),
    _("Paused: leave the slide where it lies."),
    _("No instrument yet"),
    _("Waiting for the instrument."),
    _("Put a smear on the stage and start a count."),
    _("run {run}"),
    _("started {time}"),
    _("of {aim} needed"),
    _("cells counted"),
    _("of {aim} cells"),
    _("under a minute left"),
    _("about {minutes} min left"),
    _("In doubt: {near}"),
    _("Goes on to {aim}: {near}"),
    _("NRBC"),
    _("M:E"),
    _("per 100 white cells"),
    _("waits for a person"),
    _("wait for a person"),
    _("of {planned}"),
    _("{count} skipped: {why}"),
    _("Camera and analysis are being prepared."),
    _("Homing the stage."),
    _("Setting lamp and cameras."),
    _("Looking the slide over: picture {at} of {of}."),
    _("Looking the slide over: field {at} of {of}."),
    _("Focusing at place {at} of {of}."),
    _("{cell} is near {limits} %%"),
    _("{cell} {percent} %% (99 %% limits {low} – {high}) is near {limits} %%"),
    _("or"),
    _("{counted} cells are counted; {aim} are enough."),
    _("{counted} cells are counted; {aim} are enough: no watched percentage is in doubt."),
    _("{counted} cells are counted; a count ends at {max_cells}."),
    _("{counted} cells are counted; a count ends at {max_cells}, and its last field counts whole."),
    _("The 99 %% limits are those by which a count ends or goes on; the differential has 95 %% limits."),
    _("This was counted for quality control: touch QC and go over its fields."),
    _("This was counted for quality control: it is no result of a patient."),
    _("Still in doubt: {near}."),
    _("{kinds}; {count} more at the border of a field"),
    _("but {count} at the border of a field"),
    _("not loaded"),
    _("{counted} of {aim} cells counted."),
    _("1 region to count in"),
    _("{count} regions to count in"),
    _("{counted} fields counted, {skipped} skipped"),
    _("Slide: {regions}; {fields}"),
    _("Picture of the slide with {regions}; {fields}"),
    _("looked at again, in {views} views"),
)
QUALITY_CONTROL: Sequence[str] = (
    _("No cell"),
    _("Located cell"),
    _("Missed cell"),
    _(
        "{fields} fields gone over: {located} of {all} cells located, {finds}. "
        "It is judged and put on record; nothing is changed afterwards."
    ),
    _("Field {at} of {all}"),
    _("gone over"),
    _("{count} located"),
    _("{count} missed"),
    _("{count} no cell"),
    _("Here: {many}"),
    _("Take back"),
    _("Gone over"),
    _("of {there} located"),
    _("These are too few: {cells} cells are needed. Count again, with more."),
    _("{gone} of {all} fields gone over"),
    _("Every field is gone over."),
    _("Not marked: {why}"),
    _("Show marks"),
    _("Hide marks"),
    _("1 find is no cell"),
    _("{count} finds are no cells"),
)
REVIEW: Sequence[str] = (
    _("near {near} %%"),
    _("decides a diagnosis"),
    _("not counted"),
    _("cell {cell}"),
    _("changed by {who}, the machine said {machine}"),
    _("doubtful"),
    _("looked at, and left"),
    _("All cells, labels hidden"),
    _("{at} of {all}"),
    _("Cell {cell}, field {field}"),
    _("Neighbouring cell {cell}"),
    _("in {views} views"),
    _("The machine said"),
    _("{who}: {before} → {after}"),
    _("No cell is shown. Show all cells."),
    _("Select all"),
    _("Select all: {title}"),
    _("Signed cells of this laboratory"),
    _("Drawings, until this laboratory has signed cells"),
    _("There is no reference for this label yet."),
    _("Reference {label}"),
    _("No cell was changed: they were {label} already."),
    _("1 cell is now {label}. {tally}"),
    _("{count} cells are now {label}. {tally}"),
    _("Undone: {count}; left as somebody made them since: {left}. {tally}"),
    _("Undone: {count}. {tally}"),
    _("no label yet"),
    _("To be read"),
    _("Read"),
    _("{read} of {all} read"),
    _("Not signed."),
    _("Signed as {status} by {who}."),
    _("Signed as {status} by {who}; changed since it was signed: sign it anew."),
    _("Signed as {status} by {who}; changed since it was signed: sign an amendment."),
    _("Your role may not sign."),
    _("Reference"),
    _("▲ ▼ both 95 %% limits lie beyond the reference range"),
    _("No cell is selected. Shown: {label}."),
    _("No cell is selected; none is {label}."),
    _("Pictures are loading …"),
    _("The file is being made. It may take a few seconds …"),
    _("The file is being made, which may take a few seconds. Stay on this page until it is there …"),
    _("The file is made: {name}"),
    _("The file did not come whole. Try again in a moment."),
    _("1 cell selected"),
    _("{count} cells selected"),
    _("Select cells, then touch their label"),
    _("counted; the least is {least}"),
    _("Counted {counted}; {label} {count}, {percent}."),
    _("Counted {counted}."),
    _("Label"),
    _("95 %% limits"),
    _("changed in review"),
    _("above the reference range"),
    _("below the reference range"),
    _("unidentified"),
    _("Erythroid"),
    _("NRBC per 100"),
    _("at the border of a field"),
    _("This is the only run of this patient here."),
    _("this run"),
    _("{counted} cells"),
    _("not signed"),
    _("simulated"),
    _("Course"),
)
LABELLING: Sequence[str] = (
    _("Chosen: {label}. Touch another label to change it."),
    _("Chosen: a cell without a label."),
    _("You finished this field. {count} labelled."),
    _("Tap a cell, then its label. {count} labelled."),
    _("Nearer than {um} µm to the border no cell is labelled."),
    _("Not kept: {why}"),
    _("{count} cells have a label; {open} proposals have none, and are no cells then."),
    _("{at} of {all} …"),
)
SERVICE: Sequence[str] = (
    _("The microscope is being opened and homed."),
    _("{who} has the microscope in hand."),
    _("The session is over."),
    _("A routine is going on: {what}."),
    _("It lies there"),
    _("It was put right, try again"),
    _("Yes"),
    _("No"),
    _("Give up"),
    _("✓ Passed. It is on record and not yet in force."),
    _("✕ Not passed. Nothing is on record."),
    _("For the settings:"),
)
STANDINGS: Sequence[str] = (_("preliminary"), _("final"), _("amended"))
"""Said by the name that a signature has: ``_(signature.status)``."""
OF_THE_SERVER: Sequence[str] = (
    _("The instrument is starting."),
    _("The instrument does not answer."),
    _("The instrument says what this page does not understand. Restart both with the same version."),
    _("The instrument cannot begin. It says why where hemadiff serve was started."),
    _("Starting"),
    _("The count begins by itself."),
    _("Not started"),
)
"""Said by the server while there is no run, and looked up whole."""
SENTENCES: Sequence[str] = (*LIVE_PAGE, *QUALITY_CONTROL, *REVIEW, *LABELLING, *SERVICE, *STANDINGS)


def words() -> Mapping[str, str]:
    """Return the sentences that the person's language says otherwise, as the scripts look them up."""
    said = {
        sentence: gettext(sentence) for sentence in (*SENTENCES, *OF_THE_SERVER, *CELL_NAMES, *SHORT_NAMES)
    }
    return {
        sentence.replace("%%", "%"): translated.replace("%%", "%")
        for sentence, translated in said.items()
        if translated != sentence
    }
