"""Kernels from CUDA C to what a device runs, by NVIDIA's run-time compiler (NVRTC), kept in a folder.

Source: the NVRTC documentation (nvrtcCreateProgram, nvrtcCompileProgram, nvrtcGetCUBIN, nvrtcGetPTX).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from tempfile import NamedTemporaryFile

from models.errors import EngineRefused
from models.gpu.nvrtc_library import NvrtcLibrary

# Not fused, products and sums are rounded as a processor rounds them: see kernels/frame.cu.
OPTIONS = ("--fmad=false", "--std=c++17")
KERNELS = ("frame.cu", "views.cu")
_DIGEST_BYTES = 32


@dataclass(frozen=True, slots=True)
class Target:
    """What is compiled for.

    number: of a compute capability, 10 × major + minor.  exact: whether that is the device's very own, and the result
    is its machine code (CUBIN); otherwise it is PTX, which the driver translates.
    """

    number: int
    exact: bool

    @property
    def option(self) -> str:
        """As the compiler is told."""
        return f"--gpu-architecture={'sm' if self.exact else 'compute'}_{self.number}"


def target_for(capability: tuple[int, int], supported: Iterable[int]) -> Target:
    """Return the best that a compiler can do for a device. Raises EngineRefused where that is nothing."""
    wanted = 10 * capability[0] + capability[1]
    known = sorted(supported)
    if wanted in known:
        return Target(wanted, exact=True)
    older = [number for number in known if number < wanted]
    if not older:
        raise EngineRefused(
            f"This GPU's compute capability is {capability[0]}.{capability[1]}, and the CUDA installed compiles for "
            f'{known[0] // 10}.{known[0] % 10} and later. Install an older CUDA, or set [engine] name to "onnx".'
        )
    return Target(older[-1], exact=False)


def source_of(name: str) -> str:
    """Return the source of bundled kernels."""
    return (files("models.gpu") / "kernels" / name).read_text(encoding="utf-8")


class Compiler:
    """NVRTC, and the folder where it keeps what it compiled."""

    def __init__(self, library: NvrtcLibrary, cache: Path | None = None) -> None:
        """Compile with a library. cache: made when first needed; None keeps nothing."""
        self._library = library
        self._cache = cache
        self.name = f"NVRTC {library.version[0]}.{library.version[1]}"

    def compiled(self, name: str, source: str, capability: tuple[int, int]) -> bytes:
        """Return kernels as a device of a compute capability loads them.

        Raises EngineRefused, with what the compiler says, where they do not compile.
        """
        target = target_for(capability, self._library.architectures())
        options = (target.option, *OPTIONS)
        key = hashlib.sha256("\0".join((self.name, *options, name, source)).encode()).hexdigest()
        kept = self._kept(key)
        if kept is not None:
            return kept
        image = self._library.compile(name, source, options, machine_code=target.exact)
        self._keep(key, image)
        return image

    def _kept(self, key: str) -> bytes | None:
        """What was compiled before; None where it was not, or the file is not whole."""
        if self._cache is None:
            return None
        try:
            held = (self._cache / f"{key}.kernels").read_bytes()
        except OSError:
            return None
        digest, image = held[:_DIGEST_BYTES], held[_DIGEST_BYTES:]
        return image if hashlib.sha256(image).digest() == digest else None

    def _keep(self, key: str, image: bytes) -> None:
        """Write it whole or not at all. A folder that cannot be written costs a second at the next start, no more."""
        if self._cache is None:
            return
        with suppress(OSError):
            self._cache.mkdir(parents=True, exist_ok=True)
            with NamedTemporaryFile(dir=self._cache, suffix=".part", delete=False) as part:
                part.write(hashlib.sha256(image).digest() + image)
            os.replace(part.name, self._cache / f"{key}.kernels")
