# What one needs to know: `make demo` sets everything up and draws a picture; `make check test` is what must pass.
#
#   PYTHON=python3.12   the Python that makes the virtual environment (3.10 or newer; found by itself otherwise)
#   VENV=.venv          where the virtual environment is
#   TORCH_ARGS=...      extra arguments for the installation of PyTorch, e.g. an --index-url for a CUDA or CPU build
#   WORKERS=2           how many files of tests are run at a time
#   ARGS=...            extra arguments for pytest (make test) or for the benchmark (make bench ARGS=--list)

SHELL := /bin/bash
VENV ?= .venv
TORCH_ARGS ?=
ARGS ?=
WORKERS ?= 2
SUITABLE := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))
PYTHON ?= $(firstword $(foreach p,python3 python3.13 python3.12 python3.11 python3.10,\
	$(shell $(p) -c '$(SUITABLE)' >/dev/null 2>&1 && echo $(p))))
BIN := $(VENV)/bin

# An installation is finished when its stamp exists; the stamp is named after what it was made from.
KEY := $(shell cat pyproject.toml constraints.txt | cksum | cut -d ' ' -f 1)
CORE := $(VENV)/.installed-$(KEY)-core
DEV := $(VENV)/.installed-$(KEY)-dev
DOCS := $(VENV)/.installed-$(KEY)-docs
BENCH := $(VENV)/.installed-$(KEY)-bench
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: help demo install test slow check format links bench bench-quick gpu docs wheel clean distclean

help: ## say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: $(CORE) ## set everything up and draw a picture with the model that ships inside the package
	@mkdir -p outputs
	$(BIN)/sukashi "a girl with glasses eating pizza" --seed 1 -o outputs/demo.png --overwrite
	@echo "the picture is $(CURDIR)/outputs/demo.png"

install: $(DEV) ## set up everything that tests and checks need

test: $(DEV) ## run the tests (minutes), WORKERS files at a time with one thread each
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile $(ARGS)

slow: $(DEV) ## run the tests that take long or need gigabytes
	$(BIN)/python -m pytest -m slow $(ARGS) || test $$? -eq 5 # 5: there are none

check: $(DEV) ## style, types, layers and lengths
	$(BIN)/ruff check --no-cache .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/architecture

format: $(DEV) ## let ruff put the style right
	$(BIN)/ruff check --no-cache --fix .
	$(BIN)/ruff format .

links: $(DEV) ## put right the line numbers that the README and docs link to
	$(BIN)/python tests/architecture/markdown_links.py --fix

bench: $(BENCH) ## 70 minutes: everything beside the peers, full size too: build/bench-report.md (docs/benchmarks.md)
	$(BIN)/python -m benchmarks.suite $(ARGS)

bench-quick: $(BENCH) ## minutes: start, load, small models, and where the time of a demo goes
	$(BIN)/python -m benchmarks.suite --quick $(ARGS)

gpu: $(DEV) ## everything there is to find out on a GPU, in 25 minutes: build/gpu.md (docs/gpu.md)
	$(BIN)/python -m benchmarks.gpu $(ARGS)

docs: $(DOCS) ## the site, in English and Japanese, its pictures and numbers made anew: build/docs/index.html
	$(BIN)/mkdocs build -q
	@echo "the site is $(CURDIR)/build/docs/index.html"

wheel: $(DEV) ## build the wheel into dist/
	$(BIN)/python -m build --wheel

clean: ## remove what was built and cached
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache
	find src tests benchmarks examples docs -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## remove the virtual environment as well
	rm -rf $(VENV)

# PyTorch comes first and by itself: whatever asks for it later finds a version that fits.
$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "no Python 3.10 or newer with venv was found; name one: make PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -c '$(SUITABLE)' || { echo "$(PYTHON) is not a Python 3.10 or newer with venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(CORE): | $(BIN)/python
	$(PIP) install -q -c constraints.txt $(TORCH_ARGS) torch
	$(PIP) install -q -c constraints.txt -e .
	@touch $@

$(DEV): $(CORE)
	$(PIP) install -q -c constraints.txt -e '.[dev,docs,parity,clip]'
	@touch $@

$(BENCH): $(DEV)
	$(PIP) install -q -c constraints.txt -e '.[bench]'
	@touch $@

$(DOCS): $(DEV)
	$(PIP) install -q -c constraints.txt -e '.[docs]'
	@touch $@
