"""Kernels are compiled for the device that is there, once, and the compiler's complaint is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.errors import EngineRefused
from models.gpu.nvrtc_library import NvrtcLibrary, find_nvrtc
from models.gpu.program import KERNELS, OPTIONS, Compiler, Target, source_of, target_for

KNOWN = [75, 80, 87, 90, 100]
PLAIN = 'extern "C" __global__ void plain(int *x) { x[threadIdx.x] = 1; }'


@pytest.fixture(scope="module")
def nvrtc() -> NvrtcLibrary:
    """The real compiler; the test skips where it is absent."""
    try:
        return find_nvrtc()
    except EngineRefused:
        pytest.skip("NVRTC is not installed: pip install nvidia-cuda-nvrtc")


class Counting:
    """A compiler's library that counts what it compiles."""

    version = (13, 0)

    def __init__(self) -> None:
        self.compilations = 0

    def architectures(self) -> list[int]:
        return KNOWN

    def compile(self, name: str, source: str, options: tuple[str, ...], machine_code: bool) -> bytes:
        self.compilations += 1
        return f"{source} {options} {machine_code}".encode()


def test_a_known_device_gets_its_own_machine_code() -> None:
    assert target_for((8, 7), KNOWN) == Target(87, exact=True)


def test_a_device_newer_than_the_compiler_gets_code_for_its_driver_to_translate() -> None:
    assert target_for((12, 0), KNOWN) == Target(100, exact=False)
    assert target_for((12, 0), KNOWN).option == "--gpu-architecture=compute_100"


def test_a_device_older_than_the_compiler_knows_is_refused() -> None:
    with pytest.raises(EngineRefused, match=r"6\.1.*7\.5 and later"):
        target_for((6, 1), KNOWN)


def test_what_was_compiled_is_not_compiled_again(tmp_path: Path) -> None:
    library = Counting()
    first = Compiler(library, tmp_path / "kept").compiled("plain.cu", PLAIN, (9, 0))
    again = Compiler(library, tmp_path / "kept").compiled("plain.cu", PLAIN, (9, 0))
    assert (first, library.compilations) == (again, 1)


@pytest.mark.parametrize("changed", ["source", "capability", "version"])
def test_anything_else_is_compiled_anew(tmp_path: Path, changed: str) -> None:
    library = Counting()
    Compiler(library, tmp_path).compiled("plain.cu", PLAIN, (9, 0))
    if changed == "version":
        library.version = (13, 1)
    source = PLAIN + " " if changed == "source" else PLAIN
    Compiler(library, tmp_path).compiled("plain.cu", source, (8, 0) if changed == "capability" else (9, 0))
    assert library.compilations == 2


def test_a_damaged_file_is_compiled_anew(tmp_path: Path) -> None:
    library = Counting()
    whole = Compiler(library, tmp_path).compiled("plain.cu", PLAIN, (9, 0))
    kept = next(tmp_path.iterdir())
    kept.write_bytes(kept.read_bytes()[:-3])
    assert Compiler(library, tmp_path).compiled("plain.cu", PLAIN, (9, 0)) == whole
    assert library.compilations == 2


def test_a_compilation_leaves_one_whole_file(tmp_path: Path) -> None:
    Compiler(Counting(), tmp_path).compiled("plain.cu", PLAIN, (9, 0))
    assert [path.suffix for path in tmp_path.iterdir()] == [".kernels"]


def test_no_compiler_at_all_is_refused_with_what_to_install() -> None:
    with pytest.raises(EngineRefused, match="nvidia-cuda-nvrtc"):
        find_nvrtc(places=["libnothing.so.1"])


def test_a_library_that_is_no_compiler_is_passed_over() -> None:
    with pytest.raises(EngineRefused, match="not installed"):
        find_nvrtc(places=["libc.so.6"])


def test_a_compiler_newer_than_the_driver_is_refused(nvrtc: NvrtcLibrary) -> None:
    with pytest.raises(EngineRefused, match="The driver has CUDA 11"):
        find_nvrtc(newest=11)


def test_nvrtc_compiles_every_kernel_for_every_device_it_knows(nvrtc: NvrtcLibrary) -> None:
    known = set(nvrtc.architectures())
    for number in sorted(known & {75, 80, 87, 90, 100, 110}):
        for name in KERNELS:
            image = Compiler(nvrtc).compiled(name, source_of(name), divmod(number, 10))
            assert image.startswith(b"\x7fELF")


def test_nvrtc_compiles_for_later_devices_to_ptx_without_fused_products(nvrtc: NvrtcLibrary) -> None:
    text = Compiler(nvrtc).compiled("frame.cu", source_of("frame.cu"), (99, 0)).decode()
    assert ".visible .entry shrink_by_whole" in text
    assert "fma." not in text


def test_a_complaint_of_the_compiler_is_told_whole(nvrtc: NvrtcLibrary) -> None:
    with pytest.raises(EngineRefused, match=r'wrong\.cu do not compile .*"nothing" is undefined') as caught:
        Compiler(nvrtc).compiled("wrong.cu", "__global__ void wrong() { nothing(); }", (9, 0))
    assert all(option in str(caught.value) for option in OPTIONS)
