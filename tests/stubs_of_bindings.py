"""Write a type stub of TensorRT's Python bindings, from what they themselves say of their signatures.

Run in a process of its own, with the folder of the bindings on its path: `python stubs_of_bindings.py MODULE TARGET`.
"""

from __future__ import annotations

import keyword
import re
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

# What mypy dislikes about the bindings themselves. A type that is not known is not among it: that would be our fault.
HEADER = """# mypy: disable-error-code="overload-cannot-match,type-arg,override"
import collections.abc
import typing
import typing_extensions
from typing import Any, ClassVar, overload

__version__: str
"""
SIGNATURE = re.compile(r"^(?:\d+\. )?(\w*)\((.*)\) -> (.+)$")
SPECIAL = ("__init__", "__len__", "__getitem__", "__iter__", "__bool__", "__int__")
# Named in the bindings by their names in C++, which were not known yet when the signature was written.
FROM_CPP = {"nvonnxparser::IParserError": "ParserError"}


def stub_of(module: Any) -> str:
    """The text of the stub: every class of the module, with its methods, properties and enum members."""
    classes = [each for each in vars(module).values() if isinstance(each, type) and _bound(each)]
    lines = [HEADER]
    for each in dict.fromkeys(classes):
        lines += _class(each, "")
    return "\n".join(lines) + "\n"


def _bound(kind: type) -> bool:
    return type(kind).__name__ == "pybind11_type"


def _class(kind: type, indent: str) -> Iterator[str]:
    bases = ", ".join(
        base.__name__ for base in kind.__bases__ if _bound(base) and base.__name__ != "pybind11_object"
    )
    yield f"{indent}class {kind.__name__}({bases}):"
    inner = indent + "    "
    yield f"{inner}__doc__: str"
    members = getattr(kind, "__members__", {})
    for name in members:
        if name.isidentifier() and not keyword.iskeyword(name):
            yield f"{inner}{name}: ClassVar[{kind.__qualname__}]"
    if members:
        yield f"{inner}def __int__(self) -> int: ..."
        return
    # Two protocols that the interpreter knows of such classes and that no signature tells.
    if kind.__name__ == "IHostMemory":
        yield f"{inner}def __buffer__(self, flags: int, /) -> memoryview: ..."
    if "__getitem__" in vars(kind) and "__iter__" not in vars(kind):
        yield f"{inner}def __iter__(self) -> typing.Iterator[int]: ..."
    for name, value in vars(kind).items():
        if name.startswith("_") and name not in SPECIAL:
            continue
        if isinstance(value, type) and _bound(value):
            yield from _class(value, inner)
        elif isinstance(value, property):
            yield from _property(name, value, inner)
        elif value.__doc__:
            yield from _method(name, value, inner)


def _property(name: str, value: property, indent: str) -> Iterator[str]:
    told = SIGNATURE.match((value.fget.__doc__ or "").strip().split("\n")[0]) if value.fget else None
    kind = _type(told[3]) if told else "Any"
    yield f"{indent}@property"
    yield f"{indent}def {name}(self) -> {kind}: ..."
    if value.fset is not None:
        yield f"{indent}@{name}.setter"
        yield f"{indent}def {name}(self, value: {kind}) -> None: ..."


def _method(name: str, value: Any, indent: str) -> Iterator[str]:
    told = [
        found
        for line in value.__doc__.split("\n")
        if (found := SIGNATURE.match(line.strip())) and found[1] == name
    ]
    if not told:
        yield f"{indent}{name}: Any"
    for found in told:
        if len(told) > 1:
            yield f"{indent}@overload"
        yield f"{indent}def {name}({', '.join(_parameters(found[2]))}) -> {_type(found[3])}: ..."


def _parameters(text: str) -> list[str]:
    """The parameters as Python writes them. One that may be left out before one that may not cannot be left out."""
    written: list[str] = []
    required = False
    for i, part in reversed(list(enumerate(_split(text)))):
        name, _, rest = part.partition(":")
        kind, default, _ = rest.partition(" = ")
        if not name.strip("*").isidentifier() or keyword.iskeyword(name):
            name = f"argument{i}"
        required = required or not (default or name.startswith("*"))
        if name == "self":
            written.append(name)
        elif name.startswith("*"):
            written.append(f"{name}: Any")
        else:
            written.append(f"{name}: {_type(kind)}{'' if required else ' = ...'}")
    return written[::-1]


def _split(text: str) -> Iterator[str]:
    """The parameters between commas that stand in no brackets."""
    depth, start = 0, 0
    for i, letter in enumerate(text):
        depth += letter in "([<"
        depth -= letter in ")]>"
        if letter == "," and depth == 0:
            yield text[start:i].strip()
            start = i + 1
    if text[start:].strip():
        yield text[start:].strip()


def _type(text: str) -> str:
    text = FROM_CPP.get(text.strip(), text.strip())
    text = re.sub(r"tensorrt_bindings\.tensorrt\.", "", text).replace("typing.SupportsInt", "int")
    text = text.replace("typing.SupportsFloat", "float")
    known = re.fullmatch(r"[\w.\[\], |]+", text)
    return text if known and "numpy" not in text and "capsule" not in text else "Any"


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(stub_of(import_module(sys.argv[1])), encoding="utf-8")
