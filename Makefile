# The verbs of development. `make demo` and `make test` need git, python3 with venv, and make.
PYTHON ?= python3
VENV ?= .venv
DEVICE ?= virtual
TEST_WORKERS ?= 3  # most of the tests wait for a phone, not for the processor
BIN = $(VENV)/bin
RUNNER_SOURCES = $(wildcard device_scripts/runner/* device_scripts/runner/*/*)

.PHONY: demo test browser lint clean

demo: $(VENV)/installed                     ## a first sweep, on a virtual phone or DEVICE=<serial>
	$(BIN)/bench sweep examples/quickstart.toml --device $(DEVICE) --fetch

test: $(VENV)/installed-dev                 ## all tests; no phone is needed
	$(BIN)/python -m pytest -n $(TEST_WORKERS) --dist loadfile

browser: $(VENV)/installed-dev              ## the report in a real browser; needs chromium
	$(BIN)/python -m pytest tests/browser_report.py

lint: $(VENV)/installed-dev                 ## format, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy bench

clean:                                      ## the virtual environment and what was built
	rm -rf $(VENV) bench/runtime/bin build dist

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: $(BIN)/python pyproject.toml hatch_build.py $(RUNNER_SOURCES)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@
