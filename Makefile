# `make demo` counts on a simulated microscope and serves the page. `make test` runs everything that CI runs.
# Both set up .venv/ by themselves.
PYTHON ?= python3
BIN := .venv/bin
DEMO_STORE ?= var/demo/hemadiff.sqlite

.PHONY: demo test check bench lock clean

demo: .venv/.run
	mkdir -p $(dir $(DEMO_STORE))
	HEMADIFF_STORE__PATH=$(DEMO_STORE) $(BIN)/hemadiff serve --simulate --start

test: check .venv/tensorrt-10 .venv/tensorrt-11
	sh scripts/chromium.sh
	$(BIN)/python -m pytest -n auto --dist worksteal

check: .venv/.test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/.test
	$(BIN)/python -m benchmarks

.venv/.run: requirements/run.lock pyproject.toml
	@echo "Installing Hemadiff and what it needs into .venv/. The first time this takes some minutes, and says nothing."
	PYTHON=$(PYTHON) sh scripts/install.sh requirements/run.lock
	touch $@

.venv/.test: requirements/test.lock pyproject.toml
	@echo "Installing Hemadiff and what its tests need into .venv/. The first time this takes some minutes, and says nothing."
	PYTHON=$(PYTHON) sh scripts/install.sh requirements/test.lock
	touch $@ .venv/.run

# The bindings alone of both TensorRTs, to check our calls against; without them that test skips and says so.
.venv/tensorrt-%: requirements/tensorrt-%.lock .venv/.test
	@echo "Fetching the bindings of TensorRT $* for the tests; this takes a minute."
	rm -rf $@
	-$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes --target $@ -r $<
	mkdir -p $@ && touch $@

# Needs uv. PyTorch is left to whoever installs it: its builds differ in hashes, not in name.
LOCK := uv pip compile -q --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links \
	pyproject.toml requirements/build.in --extra cpu
lock:
	$(LOCK) --universal --python-version 3.11 -o requirements/run.lock
	$(LOCK) --universal --python-version 3.11 --extra test --extra report -c requirements/run.lock -o requirements/test.lock
	$(LOCK) --python-version 3.11 --python-platform x86_64-manylinux_2_28 --extra test --extra report --extra train \
		-c requirements/test.lock -c requirements/torch.in --no-emit-package torch $(LOCK_OPTIONS) \
		-o requirements/train.lock
	for each in 10.16.1.11:cu12 11.4.0.106:cu13; do version=$${each%:*}; echo "tensorrt-$${each#*:}-bindings==$$version" | \
		uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url \
		--no-emit-find-links --no-deps - -o requirements/tensorrt-$${version%%.*}.lock; done

clean:
	rm -rf .venv build dist var *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
