# The commands of this project: `make run` starts the server, `make test` checks everything.

VENV := .venv
BIN := $(VENV)/bin
# Processes that share the tests; most tests wait more than they compute.
TESTERS ?= 4
# Compiled modules are kept: hundreds of servers and commands that the tests start would compile them again.
unexport PYTHONDONTWRITEBYTECODE
# The first Python of 3.11 or later; PYTHON=… names another.
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$python" && break; done)
PIP := $(BIN)/python -m pip --disable-pip-version-check -q
# Exact versions with hashes; `make lock` renews them from pyproject.toml.
RUNTIME_LOCK := requirements/runtime.txt
WORKSTATION_LOCK := requirements/workstation.txt
DEV_LOCK := requirements/dev.txt
DOCS_LOCK := requirements/docs.txt
NEWEST := .venv-newest
# Branch coverage that `make coverage` asks of protocol, bus and relay, in percent.
COVERAGE_FLOOR ?= 95
# What is tested at running servers, whose workers are measured too.
COVERAGE_SYSTEM := $(patsubst %,tests/system/test_%.py,held push devices device_commands resume end watch watch_storage status registration bus_faults)

CLIENT := public/dist/index.html
CLIENT_SOURCES := $(shell find public \( -name node_modules -o -name dist \) -prune -o -type f -print)

.DEFAULT_GOAL := help
.PHONY: help run demo web test test-newest unit coverage lint format lock docs bench bench-quick autobahn faults simulation fuzz clean

help:
	@echo "make run        start the server (WORKERS=n: with n workers) and say how to use it"
	@echo "make demo       start a demo workstation beside it"
	@echo "make web        build the web client, if its sources have changed"
	@echo "make test       lint, types and the whole test suite"
	@echo "make unit       protocol, bus, relay and the web client's store, within a minute"
	@echo "make coverage   branch coverage of protocol, bus and relay; fails below $(COVERAGE_FLOOR) %"
	@echo "make test-newest  all tests with the newest versions of all packages, instead of the locked ones"
	@echo "make lint       ruff and mypy;  make format puts the code into shape"
	@echo "make lock       renew the locked versions in requirements/ from pyproject.toml"
	@echo "make docs       build the site of docs/ into build/site; fails at a dead link or a page that is missing"
	@echo "make bench      measure cost and latency beside other servers; make bench-quick within a minute"
	@echo "make autobahn   the WebSocket conformance suite"
	@echo "make faults     the full fault programme (40 minutes)"
	@echo "make simulation thousands of simulated lives of a server, for five minutes"
	@echo "make fuzz       look for inputs that break the readers, and for lives and requests that break the server"
	@echo "make clean      remove what was built; keys and data stay"

run: $(VENV)/.installed $(CLIENT)
	@exec $(BIN)/python scripts/run.py $(if $(WORKERS),--workers $(WORKERS))

demo: $(VENV)/.installed-workstation
	@exec $(BIN)/tiflis demo

web: $(CLIENT)

test: lint $(CLIENT) $(VENV)/.installed-docs
	@scripts/system-packages
	@$(BIN)/pytest -n $(TESTERS) --no-loadscope-reorder || { \
		echo "Again, alone: what failed beside others. What passes now depends on the load: mend it."; \
		$(BIN)/pytest -n 0 --last-failed --last-failed-no-failures none; }

# Without a lock: shows early which new release breaks something.
test-newest: $(CLIENT)
	@scripts/system-packages
	@[ -x $(NEWEST)/bin/python ] || "$(PYTHON)" -m venv $(NEWEST)
	@$(NEWEST)/bin/python -m pip --disable-pip-version-check -q install --upgrade pip -e ".[dev]" -e ./workstation
	@$(NEWEST)/bin/python -m pip --disable-pip-version-check -q install --upgrade --group docs
	@$(NEWEST)/bin/pytest -n $(TESTERS) --no-loadscope-reorder

unit: $(VENV)/.installed-dev $(CLIENT)
	@$(BIN)/pytest -q -n $(TESTERS) tests/protocol tests/bus tests/relay
	@$(BIN)/python scripts/npm.py run --silent test -- src/store src/protocol

coverage: $(VENV)/.installed-dev
	@$(BIN)/pytest -q -n $(TESTERS) --cov --cov-branch --cov-report=term:skip-covered \
		--cov-fail-under=$(COVERAGE_FLOOR) tests/protocol tests/bus tests/relay tests/simulation \
		tests/test_handover.py $(COVERAGE_SYSTEM)

# uv resolves for all systems and Python versions at once; it is used here alone.
lock: $(BIN)/python
	@$(PIP) install uv==0.13.9
	@$(BIN)/uv pip compile -q --universal --generate-hashes --python-version 3.11 --no-header pyproject.toml -o $(RUNTIME_LOCK)
	@$(BIN)/uv pip compile -q --universal --generate-hashes --python-version 3.11 --no-header -c $(RUNTIME_LOCK) workstation/pyproject.toml -o $(WORKSTATION_LOCK)
	@$(BIN)/uv pip compile -q --universal --generate-hashes --python-version 3.11 --no-header --extra dev -c $(RUNTIME_LOCK) pyproject.toml workstation/pyproject.toml -o $(DEV_LOCK)
	@$(BIN)/uv pip compile -q --universal --generate-hashes --python-version 3.11 --no-header --group docs -c $(DEV_LOCK) -o $(DOCS_LOCK)

lint: $(VENV)/.installed-dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check -q .
	@$(BIN)/mypy
	@$(BIN)/python scripts/npm.py run --silent lint

format: $(VENV)/.installed-dev
	@$(BIN)/ruff check --fix -q .
	@$(BIN)/ruff format -q .

docs: $(VENV)/.installed-docs
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build -q
	@echo "The site is in build/site; $(BIN)/mkdocs serve shows it"

bench: $(VENV)/.installed-dev
	@$(BIN)/python -m tools.bench $(BENCH)

bench-quick: $(VENV)/.installed-dev
	@$(BIN)/python -m tools.bench --quick

autobahn: $(VENV)/.installed-dev
	@$(BIN)/python tools/autobahn/run.py

faults: $(VENV)/.installed-dev
	@$(BIN)/python -m tools.faults $(FAULTS)

simulation: $(VENV)/.installed-dev
	@$(BIN)/python -m tools.simulation --seeds 4000 --minutes 2
	@$(BIN)/python -m tools.simulation --first 100000 --seeds 3000 --minutes 1.5
	@$(BIN)/python -m tools.simulation --first 200000 --seeds 2000 --minutes 1
	@$(BIN)/python -m tools.simulation --first 250000 --seeds 1000 --minutes 0.5

# FUZZ="--seconds 600 --keep frames" fuzzes one target for longer, and keeps what is new.
fuzz: $(VENV)/.installed-fuzz
	@$(BIN)/python -m tools.fuzz $(FUZZ)
	@TIFLIS_TEST_EFFORT=10 $(BIN)/pytest -n 0 tests/fuzz/test_peers.py tests/api/test_generated.py

clean:
	rm -rf $(VENV) $(NEWEST) build dist public/dist public/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find tiflis tests tools scripts workstation -name __pycache__ -prune -exec rm -rf {} +

# Installing the package builds the web client too (hatch_build.py), with a Node of its own if there is none.
$(CLIENT): $(CLIENT_SOURCES) | $(VENV)/.installed
	@echo "Building the web client"
	@$(PIP) install --no-deps -e .
	@if [ -f $@ ]; then touch $@; else \
		echo "The web client could not be built; a page says so in its place. Why: $(BIN)/pip install -v -e ."; fi

$(VENV)/.installed: pyproject.toml $(RUNTIME_LOCK) $(wildcard hatch_build.py) | $(BIN)/python
	@echo "1/2 Installing the server's packages (the first time takes a minute)"
	@$(PIP) install --require-hashes -r $(RUNTIME_LOCK)
	@echo "2/2 Installing the server and building its web client (the first time takes a minute)"
	@$(PIP) install --no-deps -e .
	@touch $@

$(VENV)/.installed-workstation: workstation/pyproject.toml $(WORKSTATION_LOCK) | $(VENV)/.installed
	@echo "Installing the demo workstation"
	@$(PIP) install --require-hashes -r $(WORKSTATION_LOCK)
	@$(PIP) install --no-deps -e ./workstation
	@touch $@

$(VENV)/.installed-dev: pyproject.toml workstation/pyproject.toml $(DEV_LOCK) $(wildcard hatch_build.py) | $(BIN)/python
	@echo "1/2 Installing the server's packages and its tools"
	@$(PIP) install --require-hashes -r $(DEV_LOCK)
	@echo "2/2 Installing the server and building its web client"
	@$(PIP) install --no-deps -e . -e ./workstation
	@touch $@ $(VENV)/.installed $(VENV)/.installed-workstation

$(VENV)/.installed-docs: $(DOCS_LOCK) | $(BIN)/python
	@echo "Installing what builds the documents' site"
	@$(PIP) install --require-hashes -r $(DOCS_LOCK)
	@touch $@

$(VENV)/.installed-fuzz: $(VENV)/.installed-dev
	@echo "Installing the fuzzer"
	@$(PIP) install -e ".[fuzz]"
	@touch $@ $(VENV)/.installed-dev $(VENV)/.installed

$(BIN)/python:
	@[ -n "$(PYTHON)" ] || { echo "Python 3.11 or later is needed."; exit 1; }
	@"$(PYTHON)" -m venv $(VENV) || { rm -rf $(VENV); echo "Python's venv module is needed (Debian: apt install python3-venv)."; exit 1; }
