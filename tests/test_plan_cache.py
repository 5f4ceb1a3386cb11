"""Plans are found by what they were made from and for, whole, or not at all."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from models.engines.names import EnginePrecision
from models.engines.plan_cache import PlanCache, PlanSubject
from models.engines.profiles import Profile
from models.errors import EngineRefused

SUBJECT = PlanSubject("cells", "ab" * 32, 1, EnginePrecision.FP16, "10.16.1.11", "Orin", "8.7")
PROFILES = (Profile((1, 96, 96, 3), (8, 96, 96, 3), (8, 96, 96, 3)),)
SHAPES = [(1, 96, 96, 3), (8, 96, 96, 3)]


def kept(folder: Path) -> PlanCache:
    cache = PlanCache(folder)
    cache.keep(SUBJECT, PROFILES, b"a plan")
    return cache


def test_a_plan_is_found_again(tmp_path: Path) -> None:
    plan = kept(tmp_path).find(SUBJECT, SHAPES)
    assert plan is not None
    assert PlanCache(tmp_path).load(plan) == b"a plan"


@pytest.mark.parametrize(
    "change",
    [
        {"weights": "cd" * 32},
        {"form": 2},
        {"precision": EnginePrecision.FP32},
        {"tensorrt": "10.16.2.1"},
        {"gpu": "Thor"},
        {"capability": "11.0"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_plan_of_anything_else_is_not_found(tmp_path: Path, change: dict[str, Any]) -> None:
    assert kept(tmp_path).find(replace(SUBJECT, **change), SHAPES) is None


def test_a_plan_that_does_not_take_what_is_needed_is_not_found(tmp_path: Path) -> None:
    assert kept(tmp_path).find(SUBJECT, [*SHAPES, (64, 96, 96, 3)]) is None


def test_a_plan_that_changed_on_disk_is_refused(tmp_path: Path) -> None:
    cache = kept(tmp_path)
    plan = cache.listed()[0]
    plan.path.write_bytes(b"a plaN")
    with pytest.raises(EngineRefused, match="damaged"):
        cache.load(plan)


def test_a_plan_without_its_record_is_not_found(tmp_path: Path) -> None:
    cache = kept(tmp_path)
    next(tmp_path.glob("plan-*.json")).unlink()
    assert cache.listed() == []


def test_a_record_that_was_edited_is_not_believed(tmp_path: Path) -> None:
    cache = kept(tmp_path)
    record = next(tmp_path.glob("plan-*.json"))
    record.write_text(record.read_text().replace("Orin", "Thor"))
    assert cache.find(replace(SUBJECT, gpu="Thor"), SHAPES) is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"record": 1, "subject": {}}', '{"record": 2}', "\x00"])
def test_a_record_that_cannot_be_read_is_no_plan(tmp_path: Path, text: str) -> None:
    cache = kept(tmp_path)
    next(tmp_path.glob("plan-*.json")).write_text(text)
    assert cache.listed() == []


def test_a_record_of_a_later_hemadiff_is_no_plan(tmp_path: Path) -> None:
    cache = kept(tmp_path)
    record = next(tmp_path.glob("plan-*.json"))
    record.write_text(json.dumps({**json.loads(record.read_text()), "record": 2}))
    assert cache.listed() == []


def test_a_plan_cut_short_while_it_is_written_leaves_the_earlier_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = kept(tmp_path)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(EngineRefused, match="No space left on device"):
        cache.keep(SUBJECT, PROFILES, b"another")
    assert cache.load(cache.listed()[0]) == b"a plan"
    assert list(tmp_path.glob("*.part")) == []


def test_what_a_power_cut_left_is_removed_by_the_next_build(tmp_path: Path) -> None:
    (tmp_path / "plan-0.trt.part").write_bytes(b"half a pl")
    with PlanCache(tmp_path).building():
        assert list(tmp_path.glob("*.part")) == []


def test_two_builds_do_not_share_a_folder(tmp_path: Path) -> None:
    cache = PlanCache(tmp_path)
    with cache.building(), pytest.raises(EngineRefused, match="already"), cache.building():
        pass


def test_a_build_may_follow_a_build(tmp_path: Path) -> None:
    for _ in range(2):
        with PlanCache(tmp_path).building():
            pass


def test_timings_are_shared_by_the_networks_of_a_device_and_by_no_other(tmp_path: Path) -> None:
    cache = PlanCache(tmp_path)
    cache.keep_timings(SUBJECT, b"t")
    assert cache.timings(replace(SUBJECT, weights="cd" * 32)) == b"t"
    assert cache.timings(replace(SUBJECT, tensorrt="11.4.0.106")) == b""


def test_a_folder_that_cannot_be_written_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EngineRefused, match=r"\[engine\] cache"), PlanCache(tmp_path / "file").building():
        pass


def test_a_folder_that_is_not_there_holds_no_plans(tmp_path: Path) -> None:
    assert PlanCache(tmp_path / "nowhere").find(SUBJECT, SHAPES) is None


def test_fields_of_another_size_are_another_plan(tmp_path: Path) -> None:
    cache = kept(tmp_path)
    cache.keep(SUBJECT, (replace(PROFILES[0], most=(64, 96, 96, 3)),), b"larger")
    assert len(cache.listed()) == 2
