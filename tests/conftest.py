"""What several tests need: the real images and a browser, or a plain skip."""

from __future__ import annotations

import os
import sqlite3
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from builders_browser import ARGUMENTS, CHROMIUM
from flask import Flask
from hypothesis import settings
from jinja2.bccache import Bucket, BytecodeCache
from sqlite_utils.db import Database
from werkzeug.routing import Rule

from appliance.accounts import secret
from appliance.migrations import migrations
from models.data_option import DATA_BESIDE, DATA_VARIABLE

COMPILED = Path(__file__).parents[1] / "build" / "compiled"

# Where several processes test side by side (pytest-xdist), each keeps to a core, and so do the threads and processes
# that it begins: networks would otherwise take all cores in each of them, and wait for one another.
if (worker := os.environ.get("PYTEST_XDIST_WORKER")) and hasattr(os, "sched_setaffinity"):
    CORES = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {CORES[int(worker.removeprefix("gw")) % len(CORES)]})

# No test asserts a time: the first example of a property may load SciPy on a busy machine.
settings.register_profile("hemadiff", deadline=None)
settings.load_profile("hemadiff")


def pytest_configure() -> None:
    """Let what was compiled be kept, for the processes that test side by side and for those that tests start.

    Python that is told to leave no compiled code beside its source would compile everything anew in each of them.
    """
    if sys.dont_write_bytecode:
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ.setdefault("PYTHONPYCACHEPREFIX", str(COMPILED))
        sys.dont_write_bytecode, sys.pycache_prefix = False, os.environ["PYTHONPYCACHEPREFIX"]


@pytest.fixture(scope="session", autouse=True)
def tables_are_made_once() -> Iterator[None]:
    """Make a store's tables once, and give a copy of them to every new store of this process.

    What the migrations do is tested without this (test_migrations), and processes that tests start go without it.
    """
    made, migrate = sqlite3.connect(":memory:", check_same_thread=False), migrations.apply
    migrate(Database(made, execute_plugins=False))
    one_at_a_time = threading.Lock()

    def apply(db: Database, **stop: Any) -> None:
        if stop or db.execute("SELECT 1 FROM sqlite_master").fetchone():
            migrate(db, **stop)
        else:
            with one_at_a_time:
                made.backup(db.conn)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(migrations, "apply", apply)
        yield
    made.close()


class CompiledTemplates(BytecodeCache):
    """What templates were compiled to, for every page server that this process makes."""

    def __init__(self) -> None:
        self._compiled: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in self._compiled:
            bucket.bytecode_from_string(self._compiled[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._compiled[bucket.key] = bucket.bytecode_to_string()


@pytest.fixture(scope="session", autouse=True)
def pages_are_compiled_once() -> Iterator[None]:
    """Compile templates and addresses once: hundreds of page servers are made of the same ones."""
    builders: dict[Any, Any] = {}
    compile_builder = Rule._compile_builder

    def kept(rule: Rule, append_unknown: bool = True) -> Any:
        key = rule.rule, tuple(rule._trace), repr(rule.defaults), append_unknown
        if key not in builders:
            builders[key] = compile_builder(rule, append_unknown)
        return builders[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rule, "_compile_builder", kept)
        patch.setattr(Flask, "jinja_options", {"bytecode_cache": CompiledTemplates()})
        yield


@pytest.fixture(scope="session", autouse=True)
def costs_of_passwords() -> Iterator[PasswordHasher]:
    """The costs at which passwords are kept. What this process keeps costs next to nothing."""
    with pytest.MonkeyPatch.context() as patch:
        theirs = secret._hasher
        patch.setattr(secret, "_hasher", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        yield theirs


@pytest.fixture(scope="session")
def real_images() -> Path:
    """The folder of labelled images; the test skips where it is absent."""
    folder = Path(os.environ.get(DATA_VARIABLE, DATA_BESIDE))
    if not (folder / "cells" / "cells.csv").is_file():
        pytest.skip(f"the labelled images are not in {folder}: set HEMADIFF_DATA to their folder")
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Headless Chromium; the test skips where it or Playwright is absent."""
    playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    if not CHROMIUM.exists():
        pytest.skip("Chromium is absent; install it with: sudo apt-get install chromium-headless-shell")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield chromium
        chromium.close()
