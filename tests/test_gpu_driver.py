"""Everything that Hemadiff asks of PyCUDA is there in the real PyCUDA, where that is installed."""

from __future__ import annotations

import inspect
import re
from typing import Any

import pytest
from standin_pycuda import StandInDriver

from models.gpu import driver as seam
from models.gpu.kernels import TAKES
from models.gpu.memory import Lane

IN_PYCUDA = {
    "Allocation": "DeviceAllocation",
    "Event": "Event",
    "Stream": "Stream",
    "Function": "Function",
    "Module": "Module",
    "Context": "Context",
    "CudaDevice": "Device",
}


def asked_of(protocol: type) -> list[str]:
    return [name for name in vars(protocol) if not name.startswith("_") or name == "__int__"]


@pytest.fixture(scope="module")
def pycuda() -> Any:
    return pytest.importorskip(
        "pycuda.driver", reason="PyCUDA is not installed, or there is no libcuda.so.1", exc_type=ImportError
    )


@pytest.mark.parametrize("protocol", sorted(IN_PYCUDA))
def test_every_method_that_is_asked_for_exists(pycuda: Any, protocol: str) -> None:
    real = getattr(pycuda, IN_PYCUDA[protocol])
    assert [name for name in asked_of(getattr(seam, protocol)) if not hasattr(real, name)] == []


def test_every_function_and_class_that_is_asked_for_exists(pycuda: Any) -> None:
    assert [name for name in asked_of(seam.Driver) if not hasattr(pycuda, name)] == []
    assert issubclass(pycuda.Error, Exception)


@pytest.mark.parametrize(
    "function",
    ["pagelocked_empty", "memcpy_htod_async", "memcpy_dtoh_async", "module_from_buffer", "mem_alloc"],
)
def test_every_function_takes_what_it_is_given(pycuda: Any, function: str) -> None:
    wanted = [name for name in inspect.signature(getattr(seam.Driver, function)).parameters if name != "self"]
    # Boost.Python writes "f( (object)dest, (object)src [, (object)stream=None])" into the documentation.
    said = getattr(pycuda, function).__doc__.split("->")[0]
    assert len(re.findall(r"\(\w+\)\w+", said)) >= len(wanted)


def test_a_kernel_is_called_as_pycuda_wants_it(pycuda: Any) -> None:
    called = list(inspect.signature(pycuda.Function.prepared_async_call).parameters)
    assert called[:5] == ["func", "grid", "block", "stream", "args"]
    assert next(iter(inspect.signature(pycuda.Function.prepare).parameters)) == "func"


def test_a_kernels_arguments_can_be_packed_as_pycuda_packs_them(pycuda: Any) -> None:
    packing = pytest.importorskip("pycuda._pvt_struct")
    for takes in TAKES.values():
        packed = packing.pack(takes, *(0.5 if kind == "f" else 1 for kind in takes))
        assert len(packed) == packing.calcsize(takes)


@pytest.mark.parametrize("protocol", ["Event", "Stream", "Function", "Module", "Context"])
def test_the_stand_in_has_no_less_than_what_is_asked_for(protocol: str) -> None:
    import standin_pycuda

    lane_like = getattr(standin_pycuda, protocol)
    wanted = [name for name in asked_of(getattr(seam, protocol)) if name != "handle"]
    assert [name for name in wanted if not hasattr(lane_like, name)] == []


def test_a_lane_is_what_tensorrts_engine_takes() -> None:
    cuda_memory = pytest.importorskip("models.engines.cuda_memory")
    assert [name for name in asked_of(cuda_memory.Cuda) if not hasattr(Lane, name)] == []
    assert hasattr(StandInDriver, "mem_alloc")
