"""What the numbers of GRBL's errors and alarms mean, for a person at a microscope.

Source of the numbers: GRBL 1.1's interface document and `doc/csv`, grblHAL's `errors.h` and `alarms.h`.
"""

from __future__ import annotations

ERRORS = {
    1: "a word of the order has no letter",
    2: "a number of the order cannot be read",
    3: "the $ command is unknown",
    4: "a value that must be positive is negative",
    5: "homing is switched off: set $22=1",
    7: "its stored settings could not be read and were reset: set them again",
    8: "it was not at rest",
    9: "it is locked by an alarm: home the stage",
    10: "soft limits need homing: set $22=1",
    11: "the order is too long",
    13: "its safety door is open",
    15: "the target is outside its travel ($130 to $132)",
    20: "it does not know the order",
    22: "the order has no feed rate",
    33: "the target is no valid one",
    45: "a limit switch is engaged: home the stage",
    46: "it has to be homed first",
    50: "its emergency stop is pressed",
    51: "a motor driver reports a fault",
}
ALARMS = {
    1: "a limit switch was hit in mid-move",
    2: "the target was outside its own soft limits",
    3: "it was reset in mid-move",
    6: "homing was reset",
    7: "its safety door was opened while it homed",
    8: "the limit switch did not open again when homing backed off: check the wiring and $27",
    9: "homing did not find a limit switch: check the switch, its wiring, and that the axis is free",
    10: "its emergency stop is pressed",
    11: "it has to be homed",
    12: "a limit switch is engaged",
    15: "homing did not find the second switch of a squared axis",
    16: "its self test failed",
    17: "a motor driver reports a fault",
    18: "homing is configured wrongly",
}


def error_sentence(number: int) -> str:
    """Return why the controller refused an order."""
    return (
        f"The controller refused the order (error {number}): {ERRORS.get(number, 'see its documentation')}."
    )


def alarm_sentence(number: int) -> str:
    """Return why the controller stopped everything."""
    return (
        f"The controller raised alarm {number}: {ALARMS.get(number, 'see its documentation')}. Home the stage before "
        "the next move."
    )
