# make train    train an agent on cluttered MNIST; ARGS="--minutes 2" adds options of train.py
# make docs     build the documentation as a site in build/site; any static host can serve it
# make test     run the tests but the slow ones; ARGS="-k retina" adds options of pytest
# make test-slow  run the slow ones
# make test-oldest  run them with the oldest versions that setup.cfg allows, but PyTorch's
# make test-pythons  run them under each Python that setup.cfg names and this machine has
# make test-libraries  train by each library that examples/ has, in an environment of its own
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
# `true`: make takes the 127 of a Python that is missing for a failure of its own.
PYTHONS = $(shell for version in $$(sed -n 's/.*Python :: \(3\.[0-9]*\)$$/\1/p' setup.cfg); do \
	"python$$version" -c '$(NEW_ENOUGH)' 2>/dev/null && echo "$$version"; done; true)
PYTHON ?= $(or $(MODERN),python3)

BIN = .venv/bin
# As many tests at once as there are cores, those of a file one after the other.
PARALLEL = -n auto --dist loadfile
INSTALL = $(BIN)/python -m pip install --constraint constraints.txt --editable
REQUIREMENTS = setup.cfg pyproject.toml constraints.txt

.PHONY: train docs test test-slow test-oldest test-pythons test-libraries fuzz soak faults check \
	format clean demo demo-serve test-demo
.NOTPARALLEL:

train: .venv/train.stamp
	$(BIN)/python train.py $(ARGS)

docs: .venv/docs.stamp
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --config-file website/mkdocs.yml $(ARGS)

test: .venv/test.stamp
	$(BIN)/python -m pytest $(PARALLEL) -m "not slow" $(ARGS)

test-slow: .venv/test.stamp
	$(BIN)/python -m pytest $(PARALLEL) -m slow $(ARGS)

test-oldest: .venv-oldest/test.stamp
	.venv-oldest/bin/python -m pytest $(PARALLEL) $(ARGS)

test-pythons: $(PYTHONS:%=.venv-python%/test.stamp)
	@echo "testing under Python $(PYTHONS)"
	for version in $(PYTHONS); do \
		.venv-python$$version/bin/python -m pytest $(PARALLEL) -m "not slow" $(ARGS) || exit; done

LIBRARIES = skrl tianshou rllib zoo
LIBRARY_TESTS = tests/runs/test_examples.py tests/reports/test_zoo.py
test-libraries: $(LIBRARIES:%=.venv-%/test.stamp)
	for name in $(LIBRARIES); do \
		.venv-$$name/bin/python -m pytest $(LIBRARY_TESTS) $(ARGS) || exit 1; done

FUZZ = 10000
fuzz: .venv/test.stamp
	RAM_ENV_FUZZ_EXAMPLES=$(FUZZ) $(BIN)/python -m pytest $(PARALLEL) tests/faults/test_fuzz_*.py $(ARGS)

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
	rm -rf .venv .venv-* build demo/node_modules *.egg-info \
		.hypothesis .mypy_cache .pytest_cache .ruff_cache __pycache__
	find ram_env agents benchmarks demo examples tests website -name __pycache__ -prune -exec rm -rf {} +

.venv/created.stamp .venv-oldest/created.stamp $(LIBRARIES:%=.venv-%/created.stamp):
	@$(PYTHON) -c '$(NEW_ENOUGH)' 2>/dev/null || { echo "Python 3.11 or newer is needed, and" \
		"'$(PYTHON)' is not: call make with PYTHON=/path/to/python." >&2; exit 1; }
	$(PYTHON) -m venv $(@D)
	@touch $@

.venv/train.stamp: .venv/created.stamp $(REQUIREMENTS)
	$(INSTALL) .
	@touch $@

.venv/docs.stamp: .venv/created.stamp $(REQUIREMENTS)
	$(INSTALL) ".[docs]"
	@touch $@

# It includes all that training and the site need, hence all stamps.
.venv/test.stamp: .venv/created.stamp $(REQUIREMENTS)
	$(INSTALL) ".[test,check,docs,human,onnx,slides]"
	@touch .venv/train.stamp .venv/docs.stamp $@

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

.venv-python%/test.stamp: $(REQUIREMENTS)
	python$* -m venv $(@D)
	$(@D)/bin/python -m pip install --constraint constraints.txt --editable ".[test]"
	@touch $@

# Of constraints.txt only the build of torch: some libraries do not take the versions in it.
$(LIBRARIES:%=.venv-%/test.stamp): .venv-%/test.stamp: .venv-%/created.stamp $(REQUIREMENTS)
	$(@D)/bin/python -m pip install --editable ".[$*,test]" "$$(grep ^torch== constraints.txt)"
	@touch $@
