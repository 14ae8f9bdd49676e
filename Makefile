PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test check bench regression remake help
.DEFAULT_GOAL := help

demo: .venv/ready  ## edit examples/cat.png into a dog, offline, on the CPU; pictures in out/
	$(BIN)/zeroshift edit examples/cat.png --source cat --target dog --fit pad --inversion edit-friendly --mask grown -o out/cat-dog.png --before-after out/before-after.png --overwrite

test: .venv/ready-dev  ## set up and run the fast tests
	$(BIN)/python -m pytest -n 2

check: .venv/ready-dev  ## formatting, lint, types, tests
	$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy && $(BIN)/python -m pytest -n 2

bench: .venv/ready-dev  ## compare cost and time with the official procedures; writes docs/benchmarks.md
	$(BIN)/python -m benchmarks

regression: .venv/ready-dev  ## see that the shipped model's edits are as good as they were; about a minute
	$(BIN)/python -m benchmarks.regression

remake: .venv/ready-dev  ## make again what depends on the shipped model; DATA=FOLDER for what needs photographs, ONLY="NAME ..."
	$(BIN)/python -m remake $(if $(DATA),--data $(DATA)) $(if $(ONLY),--only $(ONLY))

help:  ## list the targets
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

.venv/ready: pyproject.toml constraints.txt
	@echo "Setting up .venv: about 1.4 GB of Python's packages, which takes some minutes."
	test -d .venv || $(PYTHON) -m venv .venv
	$(BIN)/pip install -e . -c constraints.txt
	touch $@

.venv/ready-dev: .venv/ready
	@echo "Adding what the tests need to .venv."
	$(BIN)/pip install -e ".[dev]" -c constraints.txt
	touch $@
