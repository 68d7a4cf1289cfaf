# Everything runs in a virtual environment of its own (.venv), made on first use and again when its pins change.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test check bench fuzz help clean kills variants chaos cluster-tests simulation cluster-demo cluster-bench load
help:  ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: $(VENV)/ready  ## make coffee data and answer the four questions
	@$(BIN)/tolva demo

test: $(VENV)/ready-dev  ## every test
	@$(BIN)/pytest --numprocesses $(or $(TESTERS),4) --dist loadscope --no-loadscope-reorder

check: $(VENV)/ready-dev  ## lint, types, import rules
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: $(VENV)/ready-dev  ## measure against DuckDB and Polars, side by side
	@$(BIN)/python -m benchmarks

fuzz: $(VENV)/ready-dev  ## N generated queries against DuckDB (make fuzz N=20000)
	@TOLVA_FUZZ=$(or $(N),20000) $(BIN)/pytest --quiet -rP tests/planner/test_fuzz.py

load: $(VENV)/ready-dev  ## a crowd at a server: /healthz, memory, one small job beside 10,000 tasks
	@$(BIN)/python -m benchmarks load queue

kills: $(VENV)/ready-dev  ## kill tolva by the hundreds (docs/testing.md has the numbers; TOLVA_SEED=... repeats)
	@TOLVA_KILLS=$${TOLVA_KILLS:-50} TOLVA_EXPORT_KILLS=$${TOLVA_EXPORT_KILLS:-50} \
	  TOLVA_SERVER_KILLS=$${TOLVA_SERVER_KILLS:-200} TOLVA_INGEST_KILLS=$${TOLVA_INGEST_KILLS:-100} \
	  TOLVA_ROLLUP_KILLS=$${TOLVA_ROLLUP_KILLS:-300} \
	  $(BIN)/pytest --quiet -rP tests/system/test_kill_and_resume.py tests/export/test_export_kills.py \
	  tests/gateway/test_kills.py tests/system/test_ingest_kills.py tests/rollup/test_rollup_kills.py \
	  tests/conformance/test_catalog_kills.py

variants: $(VENV)/ready-dev  ## the tests of which make test runs a choice: more chunk sizes, more ways to break off
	@TOLVA_VARIANTS=1 $(BIN)/pytest --quiet tests/system/test_hundred_queries.py tests/system/test_coffee_answers.py \
	  tests/gateway/test_tus.py

chaos: $(VENV)/ready-dev  ## a fleet harmed some 400 times at random while clients use it (TOLVA_SEED=... repeats)
	@TOLVA_CHAOS=$${TOLVA_CHAOS:-100} $(BIN)/pytest --quiet -s tests/chaos

cluster-tests: $(VENV)/ready-dev  ## the long tests of a fleet: TPC-H whole, 20 rolling restarts, machines cut off
	@TOLVA_TPCH=all TOLVA_RESTARTS=20 TOLVA_CUTS=all $(BIN)/pytest --quiet -s tests/cluster tests/chaos/test_cuts.py

simulation: $(VENV)/ready-dev  ## N seeds of the task protocol: messages doubled, lost, reordered; workers die (10,000)
	@TOLVA_DELIVERIES=$(or $(N),10000) $(BIN)/pytest --quiet -s tests/conformance/test_protocol_simulation.py

cluster-demo: $(VENV)/ready-dev  ## the four questions by a fleet of 2 workers, with its servers, on this machine
	@$(BIN)/python benchmarks/fleet_questions.py

cluster-bench: $(VENV)/ready-dev  ## what a fleet costs: the four questions, 10,000 empty tasks, small jobs
	@$(BIN)/python benchmarks/fleet_questions.py 4000000 5
	@$(BIN)/python benchmarks/empty_tasks.py
	@$(BIN)/python benchmarks/fleet_small_jobs.py

clean:  ## remove the virtual environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "tolva needs Python 3.11 or newer; this is $$($(PYTHON) --version). Try: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/ready: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Setting up $(VENV) (once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	@$(BIN)/python -m compileall -q src
	@touch $@

$(VENV)/ready-dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Setting up $(VENV) for development (once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@$(BIN)/python -m compileall -q src
	@touch $@ $(VENV)/ready
