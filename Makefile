# For everyone:            make demo
# For who changes it:      make test | slow | lint | bench | conform [DIR=… LIST=…] | campaign NAME=… [COUNT=…] | pythons
# Before a release:        make lock | licences | wheels | wheel | release VERSION=…
#
# `make demo` installs what the demonstration needs into `.venv`; the targets of the second line add all extras
# and the tools. Both install the versions of constraints.txt, once: again when it or pyproject.toml changes.

PYTHON ?= python3
BIN := .venv/bin
JOBS ?= 2
DIR ?= .
COUNT ?= 100
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
BENCHES := $(filter-out bench/collection.py bench/published.py bench/parse.py bench/compare.py bench/compare_jobs.py, $(wildcard bench/*.py))
DEV := .venv/.stamp

.PHONY: setup demo test slow lint bench conform campaign pythons lock licences wheels wheel release

setup: $(DEV)

.venv/.demo: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("OpenWafer needs Python 3.11 or newer; try make PYTHON=python3.11") if sys.version_info < (3, 11) else 0'
	$(PYTHON) -m venv .venv
	$(PIP) --editable '.[torch]'
	$(BIN)/openwafer doctor --compile
	touch $@

$(DEV): .venv/.demo
	$(PIP) --editable '.[torch,parquet,cluster,serve,fleet,examples,dev]'
	touch $@

demo: .venv/.demo
	$(BIN)/openwafer demo

test: $(DEV)
	$(BIN)/python -m pytest -n $(JOBS) -m "not slow"

slow: $(DEV)
	$(BIN)/python -m pytest -n $(JOBS) -m slow

lint: $(DEV)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright --pythonpath $(BIN)/python

bench: $(DEV)
	for file in $(BENCHES); do $(BIN)/python "$$file" || exit 1; done

conform: $(DEV)
	$(BIN)/openwafer conform $(DIR) $(if $(LIST),--list $(LIST))

campaign: $(DEV)
	$(BIN)/python tests/campaigns $(NAME) --count $(COUNT)

pythons: $(DEV)
	$(BIN)/python tests/run_pythons.py

lock: $(DEV)
	$(BIN)/python tools/lock.py --upgrade

licences: $(DEV)
	$(BIN)/python tools/licences.py

wheels: $(DEV)
	$(BIN)/python tools/check_wheels.py

wheel: $(DEV)
	$(BIN)/python tests/try_wheel.py

release: $(DEV)
	$(BIN)/python tools/release.py $(VERSION)
