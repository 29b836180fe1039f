# make demo   from nothing to the table of metrics of the demo corpus
# make test   from nothing through the tests, on all cores, with coverage
# Both set up .venv from requirements.lock first; nothing is installed outside this folder.

SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
CORES ?= $(shell nproc 2>/dev/null || sysctl -n hw.ncpu)
# The face tracker's wheels exist up to Python 3.12. Another interpreter: make PYTHON=/path/python3.12
PYTHON ?= $(firstword $(shell for p in python3.11 python3.12 python3 python; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' 2>/dev/null \
	&& echo $$p; done))

.PHONY: demo test setup lint reference clean help

help:
	@echo "make demo   run the demo corpus to results/tables/metrics_test.tsv and results/report.html"
	@echo "make test   run the tests"
	@echo "make lint   ruff, snakefmt, mypy, snakemake --lint"
	@echo "make reference   write the tables of config/README.md and the schema for editors, after a change of settings"
	@echo "make clean  remove results, logs and the demo corpus (not .venv)"

setup: $(VENV)/.installed

$(VENV)/.installed: requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "react24 needs Python 3.11 or 3.12 on PATH, or make PYTHON=/path/to/python3.12"; exit 1; }
	@echo "== Setting up $(VENV) with $(PYTHON) from requirements.lock (a few minutes, once)"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	$(BIN)/python -m pip check
	@touch $@

demo: setup
	@echo "== Running the demo corpus on $(CORES) cores: video and sound -> features -> training -> table"
	$(BIN)/snakemake --cores $(CORES)
	@if [ ! -e results/report.html ] || [ results/tables/metrics_test.tsv -nt results/report.html ]; then \
		echo "== Writing results/report.html"; \
		$(BIN)/snakemake --report results/report.html; \
	fi
	@echo "== The table (results/tables/metrics_test.tsv, .md, .tex; report: results/report.html)"
	@cat results/tables/metrics_test.md

test: setup
	@echo "== Running the tests on $(CORES) cores"
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(CORES) --cov --cov-report=term --durations=15

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/mypy
	$(BIN)/snakemake --lint

reference: setup
	$(BIN)/python -m react24.project.reference

clean:
	rm -rf results logs benchmarks_out resources/demo
