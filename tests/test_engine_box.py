"""What a box is, is asked of CUDA's driver; where that does not answer there is no GPU."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.engines import box as asking
from models.engines.box import LoadedDriver, ask_box, driver_version

TOLD = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build  (bot)  Sun Jul 27\nGCC 12"


class FakeDriver:
    def name(self) -> str:
        return "NVIDIA H100"

    def uuid(self) -> str:
        return "5f2e"

    def capability(self) -> tuple[int, int]:
        return 9, 0

    def cuda(self) -> int:
        return 13020


class WithoutUuid(FakeDriver):
    def uuid(self) -> str:
        raise OSError("cuDeviceGetUuid gave CUDA error 999")


def absent() -> FakeDriver:
    raise OSError("libcuda.so.1: cannot open shared object file")


@pytest.fixture(autouse=True)
def no_runtime_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, told in (("onnxruntime", "1.31.1"), ("tensorrt", "10.16.1"), ("pycuda", None)):
        monkeypatch.setattr(asking, f"{name}_version", lambda told=told: told)


def test_a_gpu_is_known_by_everything_that_its_answers_may_depend_on(tmp_path: Path) -> None:
    (tmp_path / "version").write_text(TOLD)
    found = ask_box(FakeDriver, tmp_path / "version").box
    assert found == asking.Box(
        "NVIDIA H100", "5f2e", "9.0", "580.65.06", "13.2", onnxruntime="1.31.1", tensorrt="10.16.1"
    )


def test_where_the_driver_tells_no_version_it_is_unknown(tmp_path: Path) -> None:
    found = ask_box(FakeDriver, tmp_path / "none").box
    assert found is not None
    assert found.driver == "unknown"


def test_without_a_driver_there_is_no_gpu_and_it_is_said_why() -> None:
    found = ask_box(absent)
    assert found.box is None
    assert found.why_none == "no GPU can be used (libcuda.so.1: cannot open shared object file)"


def test_a_driver_that_fails_is_no_gpu() -> None:
    assert "CUDA error 999" in ask_box(WithoutUuid).why_none


def test_tensorrt_is_not_touched_where_there_is_no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "tensorrt_version", lambda: pytest.fail("TensorRT was asked before CUDA."))
    ask_box(absent)


def test_a_library_that_is_no_driver_is_no_gpu() -> None:
    found = ask_box(lambda: LoadedDriver("libc.so.6"))
    assert "no cuInit" in found.why_none


@pytest.mark.parametrize(
    ("text", "version"),
    [
        (TOLD, "580.65.06"),
        ("NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104  Sat", "535.104"),
        ("nothing of the kind", "unknown"),
    ],
)
def test_the_drivers_version_is_read_from_what_its_module_tells(text: str, version: str) -> None:
    assert driver_version(text) == version
