"""TensorRT's own Python bindings, importable where there is neither TensorRT nor a GPU.

They look up a few C functions when they are loaded. Libraries that have these and nothing else are built here.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

VARIABLE = "HEMADIFF_TENSORRT_BINDINGS"
LIBRARIES = {
    "nvinfer": (
        "createInferBuilder_INTERNAL",
        "createInferRefitter_INTERNAL",
        "createInferRuntime_INTERNAL",
        "getBuilderPluginRegistry",
        "getPluginRegistry",
    ),
    "nvonnxparser": (
        "createNvOnnxParserRefitter_INTERNAL",
        "createNvOnnxParser_INTERNAL",
        "getNvOnnxParserVersion",
    ),
    "nvinfer_plugin": ("initLibNvInferPlugins",),
}
REPOSITORY = Path(__file__).resolve().parents[1]


def bindings(major: int) -> Path:
    """The folder of the bindings of one major version; the test skips where they are absent."""
    folder = Path(os.environ.get(VARIABLE, sys.prefix)) / f"tensorrt-{major}"
    if not (folder / "tensorrt_bindings").is_dir():
        pytest.skip(
            f"TensorRT's bindings are not in {folder}: pip install --require-hashes --no-deps --target {folder} "
            f"-r requirements/tensorrt-{major}.lock"
        )
    return folder


def empty_libraries(major: int, folder: Path) -> Path:
    """Libraries with the names that the bindings look for; every function in them returns nothing."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("there is no C compiler: sudo apt-get install gcc")
    for library, functions in LIBRARIES.items():
        source = folder / f"{library}.c"
        source.write_text("".join(f"void *{function}(void) {{ return 0; }}\n" for function in functions))
        target = folder / f"lib{library}.so.{major}"
        named = f"-Wl,-soname,{target.name}"
        subprocess.run(
            [compiler, "-shared", "-fPIC", named, "-o", target, source], check=True, capture_output=True
        )
    return folder


def run_over(major: int, libraries: Path, *arguments: str) -> str:
    """What a process of its own, with the bindings on its path, wrote. Fails with what it said where it failed."""
    path = os.pathsep.join([str(bindings(major)), str(REPOSITORY)])
    environment = {
        **os.environ,
        "LD_LIBRARY_PATH": str(libraries),
        "PYTHONPATH": path,
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
