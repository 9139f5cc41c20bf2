# Two commands do everything: `make demo` and `make test`. Both set .venv up first, and only once.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check --quiet

# On a CPU each worker gets one thread: spinning threads of two processes slow each other down.
WORKERS ?= auto

.PHONY: demo test docs install lint types imports suite clean

demo: $(VENV)/.installed
	$(BIN)/landscape demo --out landscape-out/demo

test: $(VENV)/.installed-test
	@$(MAKE) --no-print-directory lint types imports suite

docs: $(VENV)/.installed-test
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

install: $(VENV)/.installed

lint:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types:
	$(BIN)/mypy

imports:
	$(BIN)/lint-imports --config setup.cfg

suite:
	OMP_NUM_THREADS=1 $(BIN)/pytest -n $(WORKERS)

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit("landscape needs Python 3.11 or newer; try make PYTHON=python3.11") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: setup.cfg pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing into $(VENV) (once)"
	$(PIP) install --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(PIP) install --constraint constraints.txt --editable '.[test,corruptions,notebooks,docs]'
	@touch $@

clean:
	rm -rf $(VENV) landscape-out build dist *.egg-info
