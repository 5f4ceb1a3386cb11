"""What may import what is checked for every module there is."""

from __future__ import annotations

import tomllib
from pathlib import Path

import models

CONTRACTS = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
FREE_OF_PYTORCH = "Nothing at run time needs PyTorch"


def test_no_module_of_models_but_training_is_left_out_of_the_rule_that_forbids_pytorch() -> None:
    (rule,) = (c for c in CONTRACTS["tool"]["importlinter"]["contracts"] if c["name"] == FREE_OF_PYTORCH)
    folder = Path(models.__path__[0])
    modules = {f"models.{path.stem}" for path in folder.glob("*.py") if path.stem != "__init__"}
    packages = {f"models.{path.parent.name}" for path in folder.glob("*/__init__.py")} - {"models.training"}
    assert {name for name in rule["source_modules"] if name.startswith("models")} == modules | packages
