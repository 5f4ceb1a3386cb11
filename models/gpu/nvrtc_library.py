"""NVIDIA's run-time compiler, as the library that it is.

Source: the NVRTC documentation.
"""

from __future__ import annotations

import ctypes
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from models.errors import EngineRefused

NAMES = ("libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so")
VARIABLES = ("CUDA_HOME", "CUDA_PATH")
_FILE = re.compile(r"libnvrtc\.so(\.\d+)*")
_REMEDY = 'Install CUDA or the package nvidia-cuda-nvrtc, or set [engine] name to "onnx".'


class NvrtcLibrary:
    """NVRTC. version: major and minor."""

    def __init__(self, name: str | Path) -> None:
        """Load it. Raises OSError where it cannot be loaded."""
        self._library = ctypes.CDLL(str(name))
        try:
            self._library.nvrtcGetErrorString.restype = ctypes.c_char_p
            major, minor = ctypes.c_int(), ctypes.c_int()
            self._ask("nvrtcVersion", ctypes.byref(major), ctypes.byref(minor))
        except (AttributeError, EngineRefused) as error:
            raise OSError(f"{name} is no NVRTC: {error}") from error
        self.version = (major.value, minor.value)

    def architectures(self) -> list[int]:
        """Return the compute capabilities that it compiles for, 10 × major + minor."""
        count = ctypes.c_int()
        self._ask("nvrtcGetNumSupportedArchs", ctypes.byref(count))
        numbers = (ctypes.c_int * count.value)()
        self._ask("nvrtcGetSupportedArchs", numbers)
        return list(numbers)

    def compile(self, name: str, source: str, options: Sequence[str], machine_code: bool) -> bytes:
        """Return kernels compiled: machine code (CUBIN), or PTX. Raises EngineRefused with the compiler's log."""
        program = ctypes.c_void_p()
        self._ask("nvrtcCreateProgram", ctypes.byref(program), source.encode(), name.encode(), 0, None, None)
        try:
            given = (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
            status = self._library.nvrtcCompileProgram(program, len(options), given)
            if status != 0:
                log = self._text(program, "ProgramLog").rstrip(b"\0").decode("utf-8", "replace").strip()
                raise EngineRefused(
                    f"The kernels {name} do not compile ({' '.join(options)}): {self._said(status)}. "
                    f"Report this, with the compiler's log: {log}"
                )
            return self._text(program, "CUBIN" if machine_code else "PTX")
        finally:
            self._library.nvrtcDestroyProgram(ctypes.byref(program))

    def _text(self, program: ctypes.c_void_p, what: str) -> bytes:
        size = ctypes.c_size_t()
        self._ask(f"nvrtcGet{what}Size", program, ctypes.byref(size))
        text = ctypes.create_string_buffer(size.value)
        self._ask(f"nvrtcGet{what}", program, text)
        return text.raw

    def _ask(self, function: str, *arguments: object) -> None:
        status = getattr(self._library, function)(*arguments)
        if status != 0:
            raise EngineRefused(f"CUDA's run-time compiler failed in {function}: {self._said(status)}.")

    def _said(self, status: int) -> str:
        return str(self._library.nvrtcGetErrorString(status).decode())


def find_nvrtc(newest: int | None = None, places: Iterable[str | Path] | None = None) -> NvrtcLibrary:
    """Return the first NVRTC that can be loaded: the system's, CUDA's folder, or among Python's packages.

    newest: the newest major version of CUDA that the driver has; what a later compiler makes it cannot load.
    Raises EngineRefused where there is none.
    """
    passed_over = []
    for place in nvrtc_places() if places is None else places:
        try:
            library = NvrtcLibrary(place)
        except OSError:
            continue
        if newest is None or library.version[0] <= newest:
            return library
        passed_over.append(library.version[0])
    if passed_over:
        raise EngineRefused(
            f"The driver has CUDA {newest}, and the run-time compiler installed is of CUDA {min(passed_over)}. "
            f"Update the driver, or install a compiler of CUDA {newest}."
        )
    raise EngineRefused(f"CUDA's run-time compiler (libnvrtc) is not installed. {_REMEDY}")


def nvrtc_places() -> Iterator[str | Path]:
    """Where an NVRTC may be: what the system knows by name, CUDA's folder, the packages that hold it."""
    yield from NAMES
    folders = [Path(os.environ[name]) for name in VARIABLES if os.environ.get(name)]
    for folder in (*folders, Path("/usr/local/cuda")):
        for within in ("lib64", "lib"):
            yield from _files(folder / within)
    for entry in sys.path:
        yield from _files(*sorted(Path(entry or ".").glob("nvidia/*/lib"), reverse=True))


def _files(*folders: Path) -> Iterator[Path]:
    for folder in folders:
        yield from sorted((p for p in folder.glob("libnvrtc.so*") if _FILE.fullmatch(p.name)), reverse=True)
