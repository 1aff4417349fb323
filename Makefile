# Everything starts here: `make help`. The virtual environment is made when it is first needed, and again when a lock file changes.
PYTHON ?= python3
VENV := .venv$(if $(filter-out python3,$(PYTHON)),-$(notdir $(PYTHON)))
BIN := $(VENV)/bin
READY := $(VENV)/.ready
ARGS ?=
RUFF := --line-length 140 --target-version py311
SOURCES := run_server.py service adapters tests bench

.DEFAULT_GOAL := help
.PHONY: help demo run test check lint types imports unit soap-tests bench bench-data wsdl audit lock dist clean

help: ## show what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "  PYTHON=python3.13 chooses another interpreter (its own environment); ARGS=... goes to demo, run, test and bench"

$(READY): requirements-dev.lock setup.cfg
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Dragoman needs Python 3.11 or newer; name one with PYTHON=..."; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "$(PYTHON) cannot make virtual environments; on Debian: apt-get install python3-venv"; exit 1; }
	@echo "Installing what is needed into $(VENV) (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(READY) ## a SOAP client and a form send, a simulated phone delivers; ARGS=--once ends after that
	@$(BIN)/dragoman demo $(ARGS)

run: $(READY) ## run the server on 127.0.0.1:8080, everything kept in data/
	@$(BIN)/dragoman serve $(ARGS)

test: $(READY) ## all tests, a real PostgreSQL included; INTEROP=1 adds the foreign clients
	@$(BIN)/python -m pytest $(ARGS)

check: lint types imports unit ## the fast loop: lint, types, imports, unit tests

lint: $(READY)
	@$(BIN)/ruff check $(RUFF) --select E,F,W,I,B,UP,SIM,RUF,ASYNC --config 'lint.per-file-ignores={"tests/**"=["ASYNC","E501"],"bench/**"=["ASYNC"]}' --ignore RUF001,RUF002,RUF003,B008,ASYNC109,SIM105,SIM300 $(SOURCES)
	@$(BIN)/ruff format $(RUFF) --check --quiet $(SOURCES) || { echo "run: make format"; exit 1; }

format: $(READY) ## lay the code out
	@$(BIN)/ruff check $(RUFF) --select I --fix --quiet $(SOURCES)
	@$(BIN)/ruff format $(RUFF) $(SOURCES)

types: $(READY)
	@$(BIN)/mypy

imports: $(READY)
	@$(BIN)/lint-imports --config setup.cfg

unit: $(READY)
	@$(BIN)/python -m pytest -q -n 2 -m "not slow" $(ARGS)

soap-tests: $(READY)
	@$(BIN)/python -m pytest -q tests/apis $(ARGS)

bench: $(READY) ## measure; one JSON line a row (ARGS=--quick for a look)
	@$(BIN)/python -m bench.run $(ARGS)

bench-data: $(READY) ## make the big stores that bench uses, once, in bench/data/
	@$(BIN)/python -m bench.data $(ARGS)

wsdl: $(READY) ## hold wsdl/ against the interface that the server really has; writes nothing
	@$(BIN)/python -m adapters.apis.wsdl_check

audit: $(READY) ## report known vulnerabilities in what is locked
	@$(BIN)/uv tool run --quiet pip-audit --disable-pip --require-hashes -r requirements.lock

lock: ## pin what setup.cfg asks for, with hashes
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --custom-compile-command 'make lock' setup.cfg -o requirements.lock
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --custom-compile-command 'make lock' --extra dev setup.cfg -o requirements-dev.lock

dist: $(READY) ## wheel and sdist into dist/
	@$(BIN)/uv build --quiet && ls dist

clean: ## remove what can be made again; data/ stays
	@rm -rf .venv .venv-* build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache bench/data tests/interop/.cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
