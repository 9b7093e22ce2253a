# The commands of the README's first screen, and what they are made of.
PYTHON ?= python3
RECIPE ?= quickstart
SAVEDMODEL ?= savedmodels/fashion_mnist
VENV ?= .venv
BIN = $(VENV)/bin
# A process for each core; the tests are many and small.
PYTEST_ARGS ?= -n auto --dist worksteal

.PHONY: train serve test lint format clean

train: $(VENV)/.installed  ## train the quickstart recipe and show where the pictures are
	$(BIN)/python -m keras_ganmix.train --recipe $(RECIPE)

serve: $(VENV)/.installed  ## serve the generator that comes along, with a page
	$(BIN)/python -m keras_ganmix.serve $(SAVEDMODEL)

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
