# Two commands do everything: `make demo` and `make test`. Both set .venv up first, and only once. While you
# work, `make quick` runs the tests that take no time; `make full` tests networks by other people too, all of
# them instead of a sample, and whatever else is too long for every change.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check --quiet
# Python compiles what it imports; pip would compile all that is installed, most of which nobody imports.
# Tests start hundreds of processes, each of which would compile PyTorch anew where Python may not keep it.
INSTALL := install --no-compile
export PYTHONDONTWRITEBYTECODE =

# On a CPU each worker gets one thread: spinning threads of two processes slow each other down.
WORKERS ?= auto

# torchvision and timm, which nothing but these tests needs, live beside .venv and see what is in it.
ZOO    := .venv-zoo
PACKAGES := 'import sysconfig; print(sysconfig.get_path("purelib"))'

.PHONY: package demo test quick full docs install checks lint types imports suite durations networks clean

demo: $(VENV)/.installed
	$(BIN)/landscape demo --out landscape-out/demo

# The checks run beside each other: each, and the installation of .venv-zoo, keeps one core busy at most.
test: $(VENV)/.installed-test
	@$(MAKE) --no-print-directory --jobs=2 checks
	@$(MAKE) --no-print-directory suite networks

full: $(VENV)/.installed-test
	@$(MAKE) --no-print-directory test SAMPLE=

quick: $(VENV)/.installed-test
	$(SUITE) -m 'not slow and not full'

docs: $(VENV)/.installed-test
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

install: $(VENV)/.installed

checks: types imports lint $(ZOO)/.installed package

lint:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types:
	$(BIN)/mypy

imports:
	$(BIN)/lint-imports --config setup.cfg

# Long tests begin first (tests/durations.py), and whoever is done takes over half of what another has left.
SAMPLE ?= -m 'not full'
SUITE  := OMP_NUM_THREADS=1 $(BIN)/pytest -n $(WORKERS) --dist worksteal --ignore tests/foreign
suite:
	$(SUITE) $(SAMPLE)

durations:
	LANDSCAPE_DURATIONS=write $(SUITE) $(SAMPLE)

# The wheel as a user gets it, in an environment of its own that sees the packages of .venv.
WHEEL := build/wheel
package: $(VENV)/.installed-test
	rm -rf build dist
	$(BIN)/python -m build --outdir dist .
	$(BIN)/python -m venv --without-pip $(WHEEL)
	$(BIN)/python -c $(PACKAGES) > $$($(WHEEL)/bin/python -c $(PACKAGES))/core.pth
	$(PIP) --python $(WHEEL)/bin/python $(INSTALL) --no-deps dist/*.whl
	cd build && ../$(WHEEL)/bin/landscape demo --quick --out demo

# One group of tests a network, so that each is built once.
networks: $(ZOO)/.installed
	OMP_NUM_THREADS=1 $(ZOO)/bin/python -m pytest -n $(WORKERS) --dist loadgroup tests/foreign $(SAMPLE)

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit("landscape needs Python 3.11 or newer; try make PYTHON=python3.11") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: setup.cfg pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing into $(VENV) (once)"
	$(PIP) $(INSTALL) --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.installed-test: setup.cfg pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing into $(VENV), for tests (once)"
	$(PIP) $(INSTALL) --constraint constraints.txt --editable '.[test,corruptions,notebooks,docs]'
	@touch $(VENV)/.installed $@

$(ZOO)/.installed: tests/foreign/requirements.txt $(VENV)/.installed-test
	@echo "installing into $(ZOO) (once)"
	$(BIN)/python -m venv --without-pip $(ZOO)
	$(BIN)/python -c $(PACKAGES) > $$($(ZOO)/bin/python -c $(PACKAGES))/core.pth
	$(PIP) --python $(ZOO)/bin/python $(INSTALL) --no-deps --requirement $<
	@touch $@

clean:
	rm -rf $(VENV) $(ZOO) landscape-out build dist *.egg-info
