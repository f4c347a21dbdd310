# make demo | test | slow | lint | bench | conform [DIR=…] | campaign NAME=… [COUNT=…]
# The first of them makes `.venv`; it is made again only when pyproject.toml changes.

PYTHON ?= python3
BIN := .venv/bin
JOBS ?= 2
DIR ?= .
COUNT ?= 100
BENCHES := $(filter-out bench/collection.py bench/published.py bench/parse.py bench/compare.py bench/compare_jobs.py, $(wildcard bench/*.py))

.PHONY: setup demo test slow lint bench conform campaign

setup: .venv/.stamp

.venv/.stamp: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("OpenWafer needs Python 3.11 or newer; try make PYTHON=python3.11") if sys.version_info < (3, 11) else 0'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev,torch,torch-dev,parquet,cluster,examples]'
	$(BIN)/python -c 'from openwafer.sim import compile_engine; compile_engine()'
	touch $@

demo: .venv/.stamp
	$(BIN)/openwafer demo

test: .venv/.stamp
	$(BIN)/python -m pytest -n $(JOBS) -m "not slow"

slow: .venv/.stamp
	$(BIN)/python -m pytest -n $(JOBS) -m slow

lint: .venv/.stamp
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright --pythonpath $(BIN)/python

bench: .venv/.stamp
	for file in $(BENCHES); do $(BIN)/python "$$file" || exit 1; done

conform: .venv/.stamp
	$(BIN)/openwafer conform $(DIR)

campaign: .venv/.stamp
	$(BIN)/python tests/campaigns $(NAME) --count $(COUNT)
