# `make demo` runs the whole job on procedural images; `make test` runs every check.
# Both make .venv first. Stamp files in .venv keep repeated calls quick.

PYTHON ?= $(firstword $(shell command -v python3.11 python3))
VENV := .venv
BIN := $(VENV)/bin
PACKAGES := crackdet tfds_builder tuning
SOURCES := $(shell find $(PACKAGES) -type f -not -path '*/__pycache__/*' -not -name '.*')

# What computes through Keras, tested on every backend. The other folders and the rest of the search
# (its oracles, journal, tables) hold no code that does; the command line does by way of these, and
# tests/crackdet/cli/test_backends.py runs it on each.
BACKEND_TESTS := $(addprefix tests/,$(addprefix crackdet/,layers models engines features training \
	evaluation inference) $(addprefix tuning/,test_hypermodel.py test_trial.py \
	executors/test_processes.py))

.PHONY: demo test test-jax test-torch test-search test-jobs test-rest test-types clean
.DELETE_ON_ERROR:

demo: $(VENV)/crackdet-installed
	$(BIN)/crackdet run --data demo --out runs/demo

# Two parts run at once, the longest first. Where each computed with all cores, PyTorch's waiting
# threads held up both.
test: export OMP_NUM_THREADS := 1
test: $(VENV)/crackdet-installed $(VENV)/tools-installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(MAKE) --no-print-directory --output-sync -j2 \
		test-rest test-jax test-types test-jobs test-search test-torch

# JAX spends most of the time of a test on compiling; unoptimized code takes a third less, and what
# was compiled for one test serves others.
test-jax test-torch: test-%: $(VENV)/tools-installed
	KERAS_BACKEND=$* XLA_FLAGS=--xla_backend_optimization_level=0 \
		JAX_COMPILATION_CACHE_DIR=$(CURDIR)/$(VENV)/jax-cache \
		JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS=0 \
		$(BIN)/pytest -m "not slow" $(BACKEND_TESTS)

# All tests on TensorFlow, in parts for two cores: the search, whole jobs, and the rest.
test-search: $(VENV)/tools-installed
	$(BIN)/pytest tests/tuning

test-jobs: $(VENV)/tools-installed
	$(BIN)/pytest tests/crackdet/cli tests/examples

test-types: $(VENV)/tools-installed
	$(BIN)/mypy

test-rest: $(VENV)/tools-installed
	$(BIN)/pytest --ignore tests/tuning --ignore tests/crackdet/cli --ignore tests/examples

clean:
	rm -rf $(VENV) build *.egg-info

# A stamp, since an interrupted `venv` leaves a bin/python without pip.
$(VENV)/made:
	$(PYTHON) -m venv $(VENV)
	touch $@

# An earlier build/ would put deleted modules into the wheel.
$(VENV)/crackdet-installed: $(VENV)/made pyproject.toml README.md LICENSE $(SOURCES)
	rm -rf build
	$(BIN)/pip install --disable-pip-version-check .
	touch $@

$(VENV)/tools-installed: pyproject.toml | $(VENV)/crackdet-installed
	rm -rf build
	$(BIN)/pip install --disable-pip-version-check '.[dev]'
	touch $@
