# make train    train an agent on cluttered MNIST; ARGS="--minutes 2" adds options of train.py
# make test     run the tests but the slow ones; ARGS="-k retina" adds options of pytest
# make test-slow  run the slow ones
# make test-oldest  run them with the oldest versions that setup.cfg allows, but PyTorch's
# make test-libraries  train by each library that examples/ has, in an environment of its own
# make fuzz     try random input of every kind; FUZZ=100000 says how many examples of each
# make soak     play ten million random steps under a referee; SOAK=... says how many
# make faults  kill, fill, cut and starve it in every way, for about an hour; writes results/faults
# make check    lint, formatting and types
# make format   let ruff repair style and formatting
# make clean    remove both .venv and what the tools leave behind; runs/ stays
#
# Each target makes .venv and installs what it needs first; PYTHON=... chooses the Python for it.

NEW_ENOUGH = import sys; sys.exit(sys.version_info < (3, 11))
MODERN = $(shell for name in python3 python3.13 python3.12 python3.11; do \
	"$$name" -c '$(NEW_ENOUGH)' 2>/dev/null && echo "$$name" && break; done)
PYTHON ?= $(or $(MODERN),python3)

BIN = .venv/bin
INSTALL = $(BIN)/python -m pip install --constraint constraints.txt --editable
REQUIREMENTS = setup.cfg pyproject.toml constraints.txt

.PHONY: train test test-slow test-oldest test-libraries fuzz soak faults check format clean
.NOTPARALLEL:

train: .venv/train.stamp
	$(BIN)/python train.py $(ARGS)

test: .venv/test.stamp
	$(BIN)/python -m pytest -m "not slow" $(ARGS)

test-slow: .venv/test.stamp
	$(BIN)/python -m pytest -m slow $(ARGS)

test-oldest: .venv-oldest/test.stamp
	.venv-oldest/bin/python -m pytest $(ARGS)

LIBRARIES = skrl tianshou rllib zoo
LIBRARY_TESTS = tests/runs/test_examples.py tests/reports/test_zoo.py
test-libraries: $(LIBRARIES:%=.venv-%/test.stamp)
	for name in $(LIBRARIES); do \
		.venv-$$name/bin/python -m pytest $(LIBRARY_TESTS) $(ARGS) || exit 1; done

FUZZ = 10000
fuzz: .venv/test.stamp
	RAM_ENV_FUZZ_EXAMPLES=$(FUZZ) $(BIN)/python -m pytest tests/faults/test_fuzz_*.py $(ARGS)

SOAK = 10000000
soak: .venv/test.stamp
	RAM_ENV_SOAK_STEPS=$(SOAK) $(BIN)/python -m pytest tests/env/test_invariants.py $(ARGS)

faults: .venv/test.stamp
	$(BIN)/python -m benchmarks.faults $(ARGS)

check: .venv/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: .venv/test.stamp
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv .venv-* build *.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache __pycache__
	find ram_env agents benchmarks examples tests -name __pycache__ -prune -exec rm -rf {} +

.venv/created.stamp .venv-oldest/created.stamp $(LIBRARIES:%=.venv-%/created.stamp):
	@$(PYTHON) -c '$(NEW_ENOUGH)' 2>/dev/null || { echo "Python 3.11 or newer is needed, and" \
		"'$(PYTHON)' is not: call make with PYTHON=/path/to/python." >&2; exit 1; }
	$(PYTHON) -m venv $(@D)
	@touch $@

.venv/train.stamp: .venv/created.stamp $(REQUIREMENTS)
	$(INSTALL) .
	@touch $@

# It includes all that training needs, hence both stamps.
.venv/test.stamp: .venv/created.stamp $(REQUIREMENTS)
	$(INSTALL) ".[test,check,human,slides]"
	@touch .venv/train.stamp $@

.venv-oldest/test.stamp: .venv-oldest/created.stamp $(REQUIREMENTS) tests/support/oldest.py
	.venv-oldest/bin/python tests/support/oldest.py > .venv-oldest/constraints.txt
	.venv-oldest/bin/python -m pip install --constraint .venv-oldest/constraints.txt --editable ".[test]"
	@touch $@

# Without constraints.txt: some libraries do not take the versions in it.
$(LIBRARIES:%=.venv-%/test.stamp): .venv-%/test.stamp: .venv-%/created.stamp $(REQUIREMENTS)
	$(@D)/bin/python -m pip install --editable ".[$*,test]"
	@touch $@
