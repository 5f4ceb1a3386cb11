"""What is asked of TensorRT there is in its own bindings, 10.x and 11.x, and is asked as they want it asked."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from builders_bindings import REPOSITORY, bindings, empty_libraries, run_over

USERS = sorted((REPOSITORY / "models" / "engines").glob("tensorrt_*.py"))
FOUND = """
import functools, json, sys
import tensorrt_bindings as trt
def there(name):
    try:
        functools.reduce(getattr, name.split("."), trt)
    except AttributeError:
        return False
    return True
print(json.dumps({name: there(name) for name in json.loads(sys.argv[1])}))
"""
USED = """
import sys, threading
import tensorrt_bindings as trt
sys.modules["tensorrt"] = trt
from models.engines import tensorrt_build, tensorrt_engine, tensorrt_opener
from models.engines.tensorrt_progress import Monitor
from models.engines.tensorrt_said import Said
from models.errors import EngineRefused
said = Said()
said.log(trt.ILogger.Severity.ERROR, "no implementation.")
said.log(trt.ILogger.Severity.INFO, "chatter")
assert said.because() == "no implementation"
stop, steps = threading.Event(), []
monitor = Monitor(steps.append, stop)
monitor.phase_start("a", None, 2)
assert monitor.step_complete("a", 0) and steps[-1].share == 0.5
stop.set()
assert not monitor.step_complete("a", 1)
assert tuple(trt.Dims((1, 32, 32, 3))) == (1, 32, 32, 3)
try:
    tensorrt_build.compile_network(b"", "images", (), b"", monitor, "small")
except EngineRefused as refusal:
    print(refusal)
"""
WRONG = """import tensorrt as trt
def build(builder: trt.Builder, context: trt.IExecutionContext, engine: trt.ICudaEngine) -> None:
    builder.create_network(flag=1)
    builder.build_engine()
    context.execute_async_v3("stream")
    trt.BuilderFlag.NO_SUCH_FLAG
    engine.create_execution_context(strategy=trt.TensorIOMode.INPUT)
    context.set_input_shape("images")
"""
CONFIGURATION = """[mypy]
strict = true
warn_unused_ignores = false
[mypy-numpy.*,cv2.*,onnx.*,scipy.*]
follow_imports = skip
follow_imports_for_stubs = true
ignore_missing_imports = true
disallow_any_generics = false
"""


@dataclass(frozen=True)
class Real:
    """The bindings of one major version, ready to be imported by a process of its own."""

    major: int
    libraries: Path

    def run(self, *arguments: str) -> str:
        return run_over(self.major, self.libraries, *arguments)


@pytest.fixture(scope="module", params=[10, 11])
def real(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Real:
    bindings(request.param)
    return Real(request.param, empty_libraries(request.param, tmp_path_factory.mktemp("libraries")))


def names_asked_for(path: Path) -> Iterator[str]:
    """Whatever stands behind ``trt.`` in a module, with all its dots."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.insert(0, node.attr)
            node = node.value
        if parts and isinstance(node, ast.Name) and node.id == "trt":
            yield ".".join(parts)


def test_every_class_and_every_value_that_is_named_exists(real: Real) -> None:
    names = sorted({name for path in USERS for name in names_asked_for(path)})
    found = json.loads(real.run("-c", FOUND, json.dumps(names)))
    assert [name for name in names if not found[name]] == []
    assert len(names) > 15


@pytest.fixture(scope="module")
def types_checked(real: Real, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What mypy says of the modules that use TensorRT, and of WRONG, over a stub made of the bindings."""
    pytest.importorskip("mypy", reason="mypy is not installed: pip install 'hemadiff[test]'")
    folder = tmp_path_factory.mktemp("types")
    stub = folder / "tensorrt" / "__init__.pyi"
    stub.parent.mkdir()
    real.run(str(REPOSITORY / "tests" / "stubs_of_bindings.py"), "tensorrt_bindings", str(stub))
    (folder / "mypy.ini").write_text(CONFIGURATION)
    (folder / "wrong.py").write_text(WRONG)
    options = [
        "--follow-imports=silent",
        "--no-error-summary",
        f"--cache-dir={tmp_path_factory.getbasetemp() / 'types'}",
    ]
    files = [str(path) for path in (*USERS, folder / "wrong.py")]
    command = [sys.executable, "-m", "mypy", "--config-file", str(folder / "mypy.ini"), *options, *files]
    environment = {**os.environ, "MYPYPATH": str(folder)}
    done = subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False
    )
    assert not done.stderr, done.stderr
    return done.stdout.splitlines()


def test_every_call_fits_the_signatures_of_the_bindings(types_checked: list[str]) -> None:
    assert [line for line in types_checked if "wrong.py" not in line] == []


@pytest.mark.parametrize("line", range(3, 9))
def test_a_call_that_does_not_fit_is_found(types_checked: list[str], line: int) -> None:
    assert any(f"wrong.py:{line}: error" in said for said in types_checked), types_checked


def test_over_the_bindings_a_build_without_tensorrt_is_refused_in_a_sentence(real: Real) -> None:
    assert real.run("-c", USED).startswith("TensorRT cannot make a plan of small: ")


def test_what_the_stand_in_has_the_bindings_have_too(real: Real) -> None:
    from standin_tensorrt import Habits, tensorrt

    stand_in = tensorrt(Habits(version=f"{real.major}.0"))
    names = [
        f"{kind}.{name}"
        for kind, value in vars(stand_in).items()
        if isinstance(value, type) and kind != "Dims"
        for name in vars(value)
        if not name.startswith("_") and name not in INSIDE
    ]
    found = json.loads(real.run("-c", FOUND, json.dumps(names)))
    assert [name for name in names if not found[name]] == []


INSIDE = ("answer", "name", "value")  # what the stand-in's classes have for themselves
