# make app    set everything up and open the August 2022 page on http://localhost:5006
# make test   the same set-up, then lint, types, tests, notebooks and the browser test
# make demo   generate data, train, forecast, verify, and show the page
# make lab    JupyterLab on the notebooks; NOTEBOOKS=notebooks-student opens the student edition
# make notebooks-html     the notebooks, executed, as web pages in build/notebooks
# make notebooks-student  the notebooks without solutions, in notebooks-student
# make bench  speed and memory, as ratios where there is a peer
# make bench-app  the page in a real Chromium, and ten minutes with 24 visitors, beside the limits
# make bundle  everything for a network without registries or a compiler, as one archive in dist/
#
# PIP_ARGS is handed to pip, for a CPU build of PyTorch from PyTorch's own index for instance (see README.md).

PYTHON ?= python3
VENV ?= .venv
PIP_ARGS ?=
PORT ?= 5006
TEST_JOBS ?= 2
NOTEBOOKS ?= notebooks

BIN := $(VENV)/bin
SETUP := $(VENV)/.set-up
DEMO := runs/demo

export PATH := $(abspath $(BIN)):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help setup app test lint types demo lab notebooks-html notebooks-student bench bench-ops bench-app bundle samples clean

help:
	@sed -n 's/^# //p' Makefile

setup: $(SETUP)

$(SETUP): pyproject.toml constraints.txt $(wildcard extensions/dcnv3/*.* extensions/dcnv3/cuda/*)
	@$(PYTHON) -c 'import sys; sys.exit("SSLPDL needs Python 3.11 or newer, this is " + sys.version.split()[0] + "; try make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing SSLPDL and what it needs into $(VENV) (one to three minutes) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) -c constraints.txt -e '.[app,notebooks,dev]'
	@$(BIN)/python -c 'import sslpdl.ops'
	@touch $(SETUP)

app: $(SETUP)
	@$(BIN)/sslpdl app --port $(PORT)

test: lint types
	$(BIN)/python -m pytest -n $(TEST_JOBS) --dist loadfile

lint: $(SETUP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(SETUP)
	$(BIN)/mypy

demo: $(SETUP)
	$(BIN)/sslpdl experiment configs/demo.yaml --out $(DEMO)
	$(BIN)/sslpdl app --archive $(DEMO)/test.zarr --model $(DEMO)/model --port $(PORT)

lab: $(SETUP)
	$(BIN)/jupyter lab --notebook-dir=$(NOTEBOOKS) --LabApp.app_settings_dir=$(abspath notebooks/.jupyterlab)

notebooks-html: $(SETUP)
	$(BIN)/python -m sslpdl.teaching html build/notebooks --pictures notebooks/pictures

notebooks-student: $(SETUP)
	$(BIN)/python -m sslpdl.teaching student notebooks-student

bench: $(SETUP)
	$(BIN)/python benchmarks/bench.py

bench-ops: $(SETUP)
	$(BIN)/python benchmarks/bench_ops.py

bench-app: $(SETUP)
	$(BIN)/python benchmarks/bench_app.py $(BENCH_ARGS)

bundle: $(SETUP)
	$(BIN)/python deploy/bundle.py --pip-args='$(PIP_ARGS)'

clean:
	rm -rf runs build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
