# Needs only GNU make and Python >= 3.11; each target prepares its environment.
#
#   make test                      uses .venv, made on first use
#   make test VENV=path/to/env     uses that environment (made if missing)
#   make test PYTHON=python3.12    makes the environment with that Python
#   make test-fast                 leaves the slow tests out
#   make test-oldest               uses .venv-oldest, or OLDEST=path/to/another

PYTHON ?= python3
VENV   ?= .venv
OLDEST ?= .venv-oldest

PY := "$(VENV)/bin/python"
OLDEST_PY := "$(OLDEST)/bin/python"

.DEFAULT_GOAL := help
SUITES = training generalisation scaling paper soundness
# What goes to a suite, such as --quick: make bench-training ARGS=--quick
ARGS =
# What calls cvxpy and its solvers, scikit-learn, SciPy, torch, joblib, Dask, ONNX, matplotlib and data frames.
DEPENDENT_TESTS = tests/solvers tests/programs tests/estimators tests/interop tests/displays \
    tests/baselines tests/chunked tests/dask tests/derivatives tests/landscape tests/output_constraints \
    tests/reach tests/regions tests/oracles/search tests/oracles/bounds/test_workers.py \
    tests/properties/test_sparse.py tests/_utils/test_cvxpy_import.py tests/test_package.py \
    convexrelu docs/*.rst docs/guides/*.rst README.md

.PHONY: help demo test test-fast test-oldest portability lint types docs check-site dist bench-quick bench-scripts-quick bench-suites-quick $(SUITES:%=bench-%) clean
.NOTPARALLEL:  # two pips must not install into one environment at once

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/.installed-plot ## train a small network and plot it
	$(PY) -m convexrelu demo

# A worker on each core, but four at most: a worker takes a gigabyte, and a quarter of a minute to collect the tests.
WORKERS = -n logical --maxprocesses 4

# One thread for each worker: BLAS threads would only compete with them.
test test-fast test-oldest: export OMP_NUM_THREADS := 1
test test-fast test-oldest: export OPENBLAS_NUM_THREADS := 1
test test-fast test-oldest: export MKL_NUM_THREADS := 1
# Processes of the tests, and the next run, need not compile what has been compiled.
test test-fast test-oldest: export PYTHONDONTWRITEBYTECODE :=
test: $(VENV)/.installed-test ## run the tests and all documentation examples
	$(PY) -m pytest $(WORKERS) --dist worksteal

test-fast: $(VENV)/.installed-test ## run the quick tests only
	$(PY) -m pytest $(WORKERS) --dist worksteal -m "not slow"

test-oldest: $(OLDEST)/.installed-test ## run what touches the dependencies with their oldest versions
	$(OLDEST_PY) -m pytest $(WORKERS) $(DEPENDENT_TESTS)

portability: $(VENV)/.installed-portability ## run the tests under other kernels, threads and orders; an hour
	tests/portability.sh $(PY)

lint: $(VENV)/.installed-dev ## check style, formatting and the order of the rooms
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	"$(VENV)/bin/lint-imports" --no-cache --no-logo

types: $(VENV)/.installed-dev ## check the type annotations
	$(PY) -m mypy

docs: $(VENV)/.installed-dev ## build the documentation in docs/_build/html
	$(PY) -m sphinx -W --keep-going -b html docs docs/_build/html

check-site: $(VENV)/.installed-dev ## open what `make docs` built in a headless Chromium, if there is one
	CONVEXRELU_SITE=docs/_build/html $(PY) -m pytest -q -rs tests/docs/test_site.py

dist: $(VENV)/.installed-dist ## build the wheel and the source archive in dist/
	rm -rf build dist
	$(PY) -m build
	$(PY) -m twine check --strict dist/*

bench-quick: bench-scripts-quick bench-suites-quick ## run a short version of every benchmark

bench-scripts-quick: $(VENV)/.installed-dev
	@for script in benchmarks/*/bench_*.py; do \
	    module=$$(echo "$${script%.py}" | tr / .); \
	    echo "== python -m $$module --quick"; \
	    $(PY) -m "$$module" --quick || exit 1; \
	done

bench-suites-quick: $(VENV)/.installed-dev
	@for suite in $(SUITES); do $(MAKE) "bench-$$suite" ARGS=--quick || exit 1; done

# The last line of a suite makes tables and pictures of what has been measured.
bench-training: $(VENV)/.installed-dev ## time and loss beside other solvers, with bounds; hours without ARGS=--quick
	$(PY) -m benchmarks.training.run $(ARGS)
	$(if $(filter --quick,$(ARGS)),,$(PY) -m benchmarks.training.report)

bench-generalisation: $(VENV)/.installed-dev ## test error beside other methods; hours without ARGS=--quick
	$(PY) -m benchmarks.generalisation.run $(ARGS)
	$(if $(filter --quick,$(ARGS)),,$(PY) -m benchmarks.generalisation.report)

bench-scaling: $(VENV)/.installed-dev ## growth of time and memory
	$(PY) -m benchmarks.scaling.run $(ARGS)
	$(if $(filter --quick,$(ARGS)),,$(PY) -m benchmarks.scaling.report)

bench-paper: $(VENV)/.installed-dev ## figures of Ergen & Pilanci (2021) and Dwaraknath et al. (2023)
	$(PY) -m benchmarks.paper.duality_gap $(ARGS)
	$(PY) -m benchmarks.paper.whitened_images $(ARGS)
	$(PY) -m benchmarks.paper.kernels $(ARGS)

# One thread, for times of the processor are compared with time limits.
bench-soundness: export OMP_NUM_THREADS := 1
bench-soundness: export OPENBLAS_NUM_THREADS := 1
bench-soundness: $(VENV)/.installed-dev ## attack the certificates with random problems; an hour without ARGS=--quick
	$(PY) -m benchmarks.soundness $(ARGS)

# The environments stay: they are slow to make, and $(VENV) may be the user's own.
clean: ## delete what the other targets made, except the environments
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache benchmarks/training/.ruff_cache
	rm -rf docs/_build docs/api/generated docs/api/convexrelu.*.rst convexrelu-demo.png
	find convexrelu tests benchmarks docs -name __pycache__ -prune -exec rm -rf {} +

# If pip cannot be set up, venv leaves a python behind that would pass for a
# finished environment on the next run; hence the rm.
$(VENV)/bin/python $(OLDEST)/bin/python:
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "convexrelu needs Python 3.11 or newer, but $(PYTHON) is" \
	         "$$("$(PYTHON)" --version 2>/dev/null || echo missing)." >&2; \
	    echo "Name another one: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; \
	    exit 1; }
	"$(PYTHON)" -m venv "$(@:/bin/python=)" || { rm -f "$@"; exit 1; }

# One stamp per extra, so that pip runs again only when the requirements change.
# constraints.txt chooses a torch where there is none; it never replaces one.
$(VENV)/.installed-%: pyproject.toml constraints.txt $(wildcard convexrelu/*/*.[ch] convexrelu/*/*/*.[ch]) | $(VENV)/bin/python
	@if $(PY) -c 'import torch' 2>/dev/null; then set --; else set -- -c constraints.txt; fi; \
	set -x; $(PY) -m pip install "$$@" -e ".[$*]"
	@touch "$@"

# The torch of this environment is the one that its constraints name.
$(OLDEST)/.installed-test: pyproject.toml constraints-oldest.txt | $(OLDEST)/bin/python
	$(OLDEST_PY) -m pip install -c constraints-oldest.txt -e ".[test]"
	@touch "$@"
