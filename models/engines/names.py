"""What engines are called in settings, on records and in results."""

from __future__ import annotations

from enum import StrEnum


class EngineName(StrEnum):
    """What runs the networks. AUTO: the best one that is verified on this box."""

    AUTO = "auto"
    ONNX = "onnx"
    ONNX_CUDA = "onnx-cuda"
    TENSORRT = "tensorrt"


BEST_FIRST = (EngineName.TENSORRT, EngineName.ONNX_CUDA, EngineName.ONNX)
"""Every engine, in the order in which AUTO takes the first that may count."""


class EnginePrecision(StrEnum):
    """In what numbers TensorRT computes. The other engines compute in a network's own."""

    FP32 = "fp32"
    FP16 = "fp16"
    INT8 = "int8"
