# make train    train an agent on cluttered MNIST; ARGS="--minutes 2" adds options of train.py
# make test     run the tests but the slow ones; ARGS="-k retina" adds options of pytest
# make test-slow  run the slow ones
# make test-oldest  run them with the oldest versions that setup.cfg allows, but PyTorch's
# make fuzz     try random input of every kind; FUZZ=100000 says how many examples of each
# make soak     play ten million random steps under a referee; SOAK=... says how many
# make faults  kill, fill, cut and starve it in every way, for about an hour; writes results/faults
# make demo     build the page where you draw a digit and watch it look, in build/demo
# make demo-serve  serve it to the browsers of this machine; PORT=... says where
# make test-demo  test it in Chromium
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

.PHONY: train test test-slow test-oldest fuzz soak faults check format clean \
	demo demo-serve test-demo
.NOTPARALLEL:

train: .venv/train.stamp
	$(BIN)/python train.py $(ARGS)

test: .venv/test.stamp
	$(BIN)/python -m pytest -m "not slow" $(ARGS)

test-slow: .venv/test.stamp
	$(BIN)/python -m pytest -m slow $(ARGS)

test-oldest: .venv-oldest/test.stamp
	.venv-oldest/bin/python -m pytest $(ARGS)

FUZZ = 10000
fuzz: .venv/test.stamp
	RAM_ENV_FUZZ_EXAMPLES=$(FUZZ) $(BIN)/python -m pytest tests/faults/test_fuzz_*.py $(ARGS)

SOAK = 10000000
soak: .venv/test.stamp
	RAM_ENV_SOAK_STEPS=$(SOAK) $(BIN)/python -m pytest tests/env/test_invariants.py $(ARGS)

faults: .venv/test.stamp
	$(BIN)/python -m benchmarks.faults $(ARGS)

demo: .venv/test.stamp demo/node_modules/.package-lock.json
	$(BIN)/python -m demo.build build/demo

PORT = 8000
demo-serve:
	@test -d build/demo || { echo "There is no page in build/demo: run make demo first." >&2; exit 1; }
	$(BIN)/python -m http.server --bind 127.0.0.1 --directory build/demo $(PORT)

test-demo: .venv/browser.stamp demo/node_modules/.package-lock.json
	$(BIN)/python -m pytest -rs -s tests/demo $(ARGS)

check: .venv/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: .venv/test.stamp
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv .venv-oldest build demo/node_modules *.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache __pycache__
	find ram_env agents benchmarks demo examples tests -name __pycache__ -prune -exec rm -rf {} +

.venv/created.stamp .venv-oldest/created.stamp:
	@$(PYTHON) -c '$(NEW_ENOUGH)' 2>/dev/null || { echo "Python 3.11 or newer is needed, and" \
		"'$(PYTHON)' is not: call make with PYTHON=/path/to/python." >&2; exit 1; }
	$(PYTHON) -m venv $(@D)
	@touch $@

.venv/train.stamp: .venv/created.stamp $(REQUIREMENTS)
	$(INSTALL) .
	@touch $@

# It includes all that training needs, hence both stamps.
.venv/test.stamp: .venv/created.stamp $(REQUIREMENTS)
	$(INSTALL) ".[test,check,human,onnx,slides]"
	@touch .venv/train.stamp $@

.venv/browser.stamp: .venv/test.stamp
	$(INSTALL) ".[browser]"
	@touch $@

demo/node_modules/.package-lock.json: demo/package.json demo/package-lock.json
	@command -v npm >/dev/null || { echo "npm is needed for the page: install Node.js." >&2; exit 1; }
	npm ci --prefix demo --ignore-scripts --no-audit --no-fund
	@touch $@

.venv-oldest/test.stamp: .venv-oldest/created.stamp $(REQUIREMENTS) tests/support/oldest.py
	.venv-oldest/bin/python tests/support/oldest.py > .venv-oldest/constraints.txt
	.venv-oldest/bin/python -m pip install --constraint .venv-oldest/constraints.txt --editable ".[test]"
	@touch $@
