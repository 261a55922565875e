# Two commands do all the set-up:  make scorecard  (the default study)  and  make test  (everything checked).
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
TORCH := $(shell sed -n '/^torch==/p' constraints.txt)

.PHONY: scorecard test nightly lint format bench

scorecard: $(VENV)/.ready-scorecard
	@$(BIN)/pets-eval run default -o runs/default

test: $(VENV)/.ready-test
	$(BIN)/python -m pytest -n 2 --dist loadgroup --doctest-modules -m "not slow" tests pets_eval techniques datasets metrics

nightly: $(VENV)/.ready-test
	$(BIN)/python -m pytest -n 2 -m slow tests

lint: $(VENV)/.ready-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.ready-test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.ready-test
	$(BIN)/python -m benchmarks

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# What is installed is remembered by a mark, so that a second call does no set-up work.
$(VENV)/.ready-scorecard: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) -e '.[dp]'
	@touch $@

$(VENV)/.ready-test: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) '$(TORCH)'
	$(PIP) -e '.[all,dev]'
	@touch $(VENV)/.ready-scorecard $@
