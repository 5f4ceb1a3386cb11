"""What calibrating prints for the settings can be pasted there."""

from __future__ import annotations

import tomllib

from appliance.commands.calibrating import as_toml

FOUND = {
    "[camera] exposure_us": "9840",
    "[camera] colour_gains": "[1.247, 1.268]",
    "[stage.x] backlash_um": "10",
    "[microscope] focus_um": "1985",
    "[stage.z] backlash_um": "2",
    "[microscope.overview] aside_um": "[-114.4, -88.4]",
}


def test_the_lines_for_the_settings_are_toml() -> None:
    assert tomllib.loads(as_toml(FOUND)) == {
        "camera": {"exposure_us": 9840, "colour_gains": [1.247, 1.268]},
        "stage": {"x": {"backlash_um": 10}, "z": {"backlash_um": 2}},
        "microscope": {"focus_um": 1985, "overview": {"aside_um": [-114.4, -88.4]}},
    }


def test_sections_of_one_thing_stand_together() -> None:
    sections = [line for line in as_toml(FOUND).splitlines() if line.startswith("[")]
    assert sections == ["[camera]", "[stage.x]", "[stage.z]", "[microscope]", "[microscope.overview]"]
