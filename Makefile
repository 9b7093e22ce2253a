# The two commands of the README, and what they are made of.
PYTHON ?= python3
RECIPE ?= quickstart
VENV ?= .venv
BIN = $(VENV)/bin
# A process for each core; the tests are many and small.
PYTEST_ARGS ?= -n auto --dist worksteal

.PHONY: train test lint format clean

train: $(VENV)/.installed  ## train the quickstart recipe and show where the pictures are
	$(BIN)/python -m keras_ganmix.train --recipe $(RECIPE)

test: $(VENV)/.installed  ## run the tests
	$(BIN)/python -m pytest $(PYTEST_ARGS)

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(VENV)/.installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(VENV)/.installed: requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

clean:
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache
