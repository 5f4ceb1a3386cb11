"""The run's states: every path of it, without a clock, a thread or a file."""

from __future__ import annotations

from dataclasses import replace

import pytest
from builders_run import UNANALYSED, UNREADABLE, field, plan, run, tally
from hypothesis import given
from hypothesis import strategies as st

from appliance.cause import Cause
from appliance.errors import ApplianceRefused
from appliance.run import (
    EMPTY_FIELDS_END_RUN,
    FAILURES_END_RUN,
    Failed,
    FieldCommitted,
    FieldSkipped,
    Interrupted,
    PauseAsked,
    PlanExhausted,
    Prepare,
    Prepared,
    Preparing,
    ResumeAsked,
    Run,
    Start,
    StartAcquisition,
    State,
    StopAcquisition,
    StopAsked,
    advance,
    replay,
)

POWER = Interrupted("Power was lost. Home the stage, then resume.", Cause.POWER_CUT)


def after(r: Run, *events):
    """The run after these events; a number stands for a field with so many cells, 0 for an empty one."""
    for event in events:
        r, _ = advance(r, field(r, event) if isinstance(event, int) else event)
    return r


# The way through


def test_a_started_run_prepares_and_then_counts_from_the_first_field():
    r, commands = advance(Run.idle(plan()), Start())
    assert (r.state, commands) == (State.PREPARING, [Prepare()])
    r, commands = advance(r, Prepared())
    assert (r.state, commands) == (State.COUNTING, [StartAcquisition(0)])


def test_what_is_done_before_the_first_field_is_the_reason_of_its_state():
    r, commands = advance(after(Run.idle(plan()), Start()), Preparing("Homing the stage."))
    assert (r.state, r.reason, commands) == (State.PREPARING, "Homing the stage.", [])


def test_a_step_that_is_told_too_late_changes_nothing():
    assert advance(run(State.PAUSED), Preparing("Homing the stage."))[0] == run(State.PAUSED)


def test_a_run_whose_plan_fits_no_panel_does_not_begin():
    with pytest.raises(ApplianceRefused, match="marrow-choi-10 cannot count blood"):
        Run.idle(plan(panel="marrow-choi-10", specimen="blood"))


def test_a_field_adds_its_cells_and_the_count_goes_on():
    r, commands = advance(run(cells=100), field(run(cells=100), 7))
    assert (r.state, r.tally.counted, r.next_field, r.committed, commands) == (State.COUNTING, 107, 1, 1, [])


def test_enough_cells_complete_the_run():
    r, commands = advance(run(cells=298), field(run(cells=298), 5))
    assert (r.state, commands) == (State.COMPLETED, [StopAcquisition()])
    assert r.reason == "303 cells counted; 300 are enough and no watched percentage is in doubt."


def test_a_doubt_at_300_moves_the_aim_to_400_and_the_state_says_why():
    r = after(run(cells=298, blasts=15), 5)
    assert (r.state, r.aim) == (State.COUNTING, 400)
    assert r.reason.startswith("Counting goes on to 400: Blast 5.0 %")


def test_a_run_resumed_in_doubt_still_says_why_it_goes_on():
    r = after(run(cells=298, blasts=15), 5, PauseAsked(), ResumeAsked(), Prepared())
    assert r.reason.startswith("Counting goes on to 400: Blast 5.0 %")


def test_the_field_in_which_the_most_is_reached_counts_whole():
    r = after(run(cells=490, blasts=25), 40)
    assert (r.state, r.tally.counted) == (State.COMPLETED, 530)


# Running out


def test_a_slide_that_runs_out_says_what_it_holds_and_what_is_needed():
    r = after(run(), *[1] * 158, *[FieldCommitted(tally(lymphocyte=158), 1)] * 134)
    r, commands = advance(r, PlanExhausted())
    assert (r.state, commands) == (State.INSUFFICIENT, [StopAcquisition()])
    assert r.reason == (
        "292 fields hold 158 cells that count; at least 300 are needed. Add fields or another smear."
    )


def test_a_slide_that_holds_one_cell_is_said_in_the_singular():
    r = after(run(), 1, PlanExhausted())
    assert r.reason.startswith("1 field holds 1 cell that counts; at least 300 are needed.")


def test_a_slide_that_runs_out_between_looks_names_the_doubt():
    r = after(run(cells=298, blasts=15), 5, PlanExhausted())
    assert r.state is State.INSUFFICIENT
    assert "1 field holds 303 cells that count; 400 are needed: at the last look, Blast 5.0 %" in r.reason


def test_skipped_fields_are_named_when_the_slide_runs_out():
    assert "(2 more fields were skipped)" in after(run(), 4, UNREADABLE, UNANALYSED, PlanExhausted()).reason


def test_a_folder_of_unreadable_fields_is_insufficient_and_says_so():
    r = after(run(), UNREADABLE, UNREADABLE, PlanExhausted())
    assert r.state is State.INSUFFICIENT
    assert r.reason.startswith("None of 2 fields could be counted")


@pytest.mark.parametrize("fields", [[UNANALYSED], [UNANALYSED] * 5, [UNREADABLE, UNANALYSED]])
def test_a_plan_of_which_no_field_was_counted_and_the_analysis_failed_is_a_failed_run(fields):
    r, commands = advance(after(run(), *fields), PlanExhausted())
    assert (r.state, commands) == (State.FAILED, [StopAcquisition()])
    assert f"None of {len(fields)} fields could be counted: the analysis of" in r.reason


def test_one_counted_field_among_failures_is_a_poor_smear_and_no_failure():
    assert after(run(), UNANALYSED, 3, UNANALYSED, PlanExhausted()).state is State.INSUFFICIENT


def test_a_plan_without_fields_is_insufficient():
    assert "no field" in after(run(), PlanExhausted()).reason


def test_twenty_fields_in_a_row_without_any_detection_end_the_run():
    r = after(run(cells=12), *[0] * (EMPTY_FIELDS_END_RUN - 1))
    assert r.state is State.COUNTING
    r, commands = advance(r, field(r, 0))
    assert (r.state, commands) == (State.INSUFFICIENT, [StopAcquisition()])
    assert r.reason.startswith("The last 20 fields in a row hold no white cell. 12 cells count; at least 300")


def test_a_field_with_a_detection_that_does_not_count_is_not_empty():
    r = after(run(), *[0] * 19)
    r = after(r, field(r, 0, detections=1), *[0] * 19)
    assert r.state is State.COUNTING


def test_a_skipped_field_is_not_an_empty_field_and_does_not_break_the_row():
    r = after(run(), *[0] * 19, UNREADABLE, UNANALYSED)
    assert r.state is State.COUNTING
    assert after(r, 0).state is State.INSUFFICIENT


# Failing


def test_twenty_failed_analyses_in_a_row_fail_the_run():
    r = after(run(cells=50), *[UNANALYSED] * (FAILURES_END_RUN - 1))
    assert r.state is State.COUNTING
    r, commands = advance(r, UNANALYSED)
    assert (r.state, r.tally.counted, commands) == (State.FAILED, 50, [StopAcquisition()])
    assert "The analysis of 20 fields in a row failed" in r.reason


def test_an_analysed_field_breaks_the_row_of_failures():
    assert after(run(), *[UNANALYSED] * 19, 1, *[UNANALYSED] * 19).state is State.COUNTING


def test_unreadable_fields_are_skipped_without_end_and_kept_apart_from_failures():
    r = after(run(), *[UNREADABLE] * 100, *[UNANALYSED] * 3)
    assert (r.state, r.skipped_input, r.skipped_analysis, r.next_field) == (State.COUNTING, 100, 3, 103)


@pytest.mark.parametrize("state", [State.IDLE, State.PREPARING, State.COUNTING, State.PAUSED])
def test_a_failure_ends_the_run_with_its_reason_and_keeps_what_was_counted(state):
    r, commands = advance(run(state, cells=40), Failed("The camera is gone.", Cause.CAMERA))
    assert (r.state, r.reason, r.tally.counted) == (State.FAILED, "The camera is gone.", 40)
    assert commands == [StopAcquisition()]


# Pausing, resuming, stopping


@pytest.mark.parametrize("state", [State.PREPARING, State.COUNTING])
def test_a_person_pauses_a_run_and_keeps_what_was_counted(state):
    r, commands = advance(run(state, cells=212), PauseAsked())
    assert (r.state, r.tally.counted, commands) == (State.PAUSED, 212, [StopAcquisition()])


def test_a_lost_position_pauses_the_run_and_keeps_what_was_counted():
    r, commands = advance(
        run(cells=212), Interrupted("The stage lost its position. Home it, then resume.", Cause.POSITION_LOST)
    )
    assert (r.state, r.tally.counted, commands) == (State.PAUSED, 212, [StopAcquisition()])
    assert r.reason == "The stage lost its position. Home it, then resume."


def test_a_resumed_run_prepares_first_and_goes_on_with_the_next_field():
    r = after(run(), 3, UNREADABLE, 2, PauseAsked())
    r, commands = advance(r, ResumeAsked())
    assert (r.state, commands) == (State.PREPARING, [Prepare()])
    r, commands = advance(r, Prepared())
    assert (r.state, commands) == (State.COUNTING, [StartAcquisition(3)])


def test_a_pause_does_not_break_the_row_of_empty_fields():
    r = after(run(), *[0] * 19, PauseAsked(), ResumeAsked(), Prepared(), 0)
    assert r.state is State.INSUFFICIENT


@pytest.mark.parametrize("state", [State.PREPARING, State.COUNTING, State.PAUSED])
def test_a_person_stops_a_run_and_keeps_what_was_counted(state):
    r, commands = advance(run(state, cells=212), StopAsked())
    assert (r.state, commands) == (State.STOPPED, [StopAcquisition()])
    assert r.reason == "A person ended it at 212 counted cells."


# What does not fit


@pytest.mark.parametrize(
    ("state", "event", "sentence"),
    [
        (State.COUNTING, Start(), "The run is counting; it cannot be started now."),
        (State.COUNTING, ResumeAsked(), "The run is counting; it cannot be resumed now."),
        (State.PAUSED, PauseAsked(), "The run is paused; it cannot be paused now."),
        (State.IDLE, StopAsked(), "The run is idle; it cannot be stopped now."),
        (State.COMPLETED, ResumeAsked(), "has ended .completed.; it cannot be resumed. Start a new one."),
        (State.FAILED, StopAsked(), "has ended .failed.; it cannot be stopped."),
    ],
)
def test_what_a_person_asks_at_the_wrong_moment_is_refused_with_a_sentence(state, event, sentence):
    with pytest.raises(ApplianceRefused, match=sentence):
        advance(run(state), event)


@pytest.mark.parametrize("state", [s for s in State if s is not State.COUNTING])
@pytest.mark.parametrize("straggler", [FieldCommitted(tally(blast=9), 9), UNREADABLE, PlanExhausted()])
def test_what_comes_too_late_from_the_machinery_changes_nothing(state, straggler):
    r = run(state, cells=5)
    assert advance(r, straggler) == (r, [])
    assert not r.takes_fields


def test_a_late_report_of_readiness_does_not_restart_acquisition():
    assert advance(run(State.COUNTING), Prepared())[1] == []
    assert advance(run(State.PAUSED), Prepared())[0].state is State.PAUSED


events = st.sampled_from(
    [
        Start(),
        Prepared(),
        FieldCommitted(tally(lymphocyte=301), 301),
        FieldCommitted(tally(), 0),
        FieldSkipped("input"),
        FieldSkipped("analysis"),
        PlanExhausted(),
        PauseAsked(),
        ResumeAsked(),
        StopAsked(),
        Failed("It broke.", Cause.UNEXPECTED),
        Interrupted("The cable was unplugged.", Cause.CAMERA),
    ]
)


@given(st.lists(events, max_size=60))
def test_an_end_state_is_never_left_and_always_has_a_reason(sequence):
    r = Run.idle(plan())
    for event in sequence:
        try:
            following, commands = advance(r, event)
        except ApplianceRefused:
            continue
        if r.state.ended:
            assert (following, commands) == (r, [])
        elif following.state.ended:
            assert commands == [StopAcquisition()]
            assert following.reason.endswith(".")
        assert (
            following.next_field == following.committed + following.skipped_input + following.skipped_analysis
        )
        r = following


# After a power cut


def history(start: Run, *cells: int) -> list[FieldCommitted]:
    """What the database holds after fields with so many cells each."""
    on_record, r = [], start
    for n in cells:
        on_record.append(field(r, n))
        r = replace(r, tally=on_record[-1].tally)
    return on_record


def test_after_a_power_cut_a_run_is_found_paused_with_every_committed_field():
    r = replay(plan(), [*history(run(), 30, 40), UNREADABLE], POWER.reason)
    assert (r.state, r.reason) == (State.PAUSED, POWER.reason)
    assert (r.tally.counted, r.next_field, r.skipped_input) == (70, 3, 1)


def test_a_run_whose_last_committed_field_ended_it_is_found_ended():
    """The power went between the field's transaction and the state's."""
    r = replay(plan(), history(run(), 290, 15), POWER.reason)
    assert (r.state, r.tally.counted) == (State.COMPLETED, 305)


def test_a_run_in_doubt_at_300_is_still_in_doubt_after_a_power_cut():
    start = run()
    r = replay(plan(), [field(start, 304, blasts=15)], POWER.reason)
    assert (r.state, r.aim) == (State.PAUSED, 400)
    assert "Blast 4.9 %" in r.doubt


fields = st.lists(st.one_of(st.integers(0, 25), st.just(UNREADABLE), st.just(UNANALYSED)), max_size=60)


@given(fields, st.integers(0, 60))
def test_a_power_cut_anywhere_changes_nothing_of_the_count(sequence, cut):
    on_record, whole = [], run()
    for item in sequence:
        event = field(whole, item, blasts=item // 8) if isinstance(item, int) else item
        if whole.takes_fields:
            on_record.append(event)
        whole, _ = advance(whole, event)

    found = replay(plan(), on_record[:cut], POWER.reason)
    if found.state is State.PAUSED:
        found = after(found, ResumeAsked(), Prepared(), *on_record[cut:])

    def result(r: Run):
        return (r.state, r.tally, r.aim, r.next_field, r.empty_in_a_row, r.failed_in_a_row, r.doubt)

    assert result(found) == result(whole)
