# Every target makes its own environment in .venv; nothing but Python 3.11+ and make is needed.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test portable simulate check docs bench clean

demo: $(VENV)/.demo
	$(BIN)/python -m example_app.demo

test: $(VENV)/.dev
	$(BIN)/python -m pytest $(ARGS)

# What may depend on the version of Python, without other processes: make portable PYTHON=python3.13 VENV=.venv-3.13
PORTABLE := attempts bypass caches commit csp csp_payment databases decisions embed embed_players errors \
	event_fields events extension fairness frame_headers groupcommit handoff heartbeat intake leaks money player processing \
	public_api recording refresh session setting_values settings signals signature sites spool streaming \
	talisman tokens unsigned webhook

portable: $(VENV)/.dev
	$(BIN)/python -m pytest -k "not postgresql" $(PORTABLE:%=tests/test_%.py)

# Short histories in which whatever can go wrong does: make simulate SEED=1 N=100000. N=1 shows one of them.
SEED ?= 1
N ?= 10000
simulate: $(VENV)/.dev
	$(BIN)/python tests/simulate.py $(SEED) $(N)

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

docs: $(VENV)/.docs
	$(BIN)/python -m sphinx -W --keep-going -b html docs docs/_build/html

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) docs/_build build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Flask-Pooled needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.%: setup.cfg pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[$*]'
	touch $@
