# Every target makes its own environment in .venv; nothing but Python 3.11+ and make is needed.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test portable minimum simulate mutants check docs bench locked lock clean

demo: $(VENV)/.demo
	$(BIN)/python -m example_app.demo

test: $(VENV)/.dev
	$(BIN)/python -m pytest $(ARGS)

# What may depend on a version: make portable PYTHON=python3.13 VENV=.venv-3.13. Without other processes, but for a
# PostgreSQL whose driver is given statements as they are.
PORTABLE := attempts attempts_told blocked bodies bulk bypass caches claimlock commit csp csp_payment database databases \
	deadline decisions direct embed embed_players entries errors event_fields events extension fairness \
	frame_headers fresh fresh_refunds groupcommit groupcommit_called handoff heartbeat identity intake \
	intake_together intake_told leaks limits messages money outage_signs pace player processing promotions \
	public_api queuelock recorded recording refresh retries session setting_values settings signals signature \
	sites spool store streaming talisman tokens turns unsigned versions webhook

portable: $(VENV)/.dev
	$(BIN)/python -m pytest -k "not postgresql or test_fresh" $(PORTABLE:%=tests/test_%.py)

# The same with the lowest versions that setup.cfg allows.
minimum:
	$(MAKE) portable VENV=.venv-minimum CONSTRAINTS=locks/minimum.txt

# Short histories in which whatever can go wrong does: make simulate SEED=1 N=100000. N=1 shows one of them.
SEED ?= 1
N ?= 10000
simulate: $(VENV)/.dev
	$(BIN)/python tests/simulate.py $(SEED) $(N)

# Every small change to some modules, and which of them no test notices: make mutants PART=processing MODULES="claims attempts"
PART ?= core
mutants: $(VENV)/.dev $(VENV)/.tools
	$(BIN)/python tests/mutants.py $(PART) $(MODULES)

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

docs: $(VENV)/.docs
	$(BIN)/python -m sphinx -W --keep-going -b html docs docs/_build/html

# Every row of docs/performance.rst; in a few minutes, and less exactly: make bench QUICK=1. One of them: ROWS=drain
bench: $(VENV)/.dev $(VENV)/.bench
	$(BIN)/python -m benchmarks $(if $(QUICK),--quick) $(ROWS)

# The very versions that locks/dev.txt has, by their hashes, instead of the newest: make locked test
locked: $(BIN)/python
	$(BIN)/python -m pip install --quiet --require-hashes --requirement locks/dev.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $(VENV)/.dev $(VENV)/.docs

# Lock the newest versions, for every Python from 3.11.
lock: $(VENV)/.tools
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
		--no-header --no-annotate --extra dev --extra docs setup.cfg --output-file locks/dev.txt

clean:
	rm -rf $(VENV) docs/_build build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Flask-Pooled needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.%: setup.cfg pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[$*]' $(CONSTRAINTS:%=--constraint %)
	touch $@
