# The verbs of this repository; docs/reference/makefile.md has a heading for each.
PYTHON ?= python3
PORT ?= 8000
LAB ?= operators/database
ARGS ?=
WORKERS ?= 2
VENV := .venv/bin
UV := 0.13.9
LOCK := --quiet --generate-hashes --no-emit-index-url --python-version 3.11 --custom-compile-command "make lock"
SETUP := $(PYTHON) sandboxes/setup/bootstrap.py
export PYTHONPATH := $(CURDIR):$(CURDIR)/platform

.PHONY: up setup test check fmt bench prove lock clean

up: setup
	@exec $(VENV)/python manage.py up --port $(PORT) $(ARGS)

setup:
	@$(SETUP)

test:
	@$(SETUP) --tests
	@exec $(VENV)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

check:
	@$(SETUP) --only go,vm,ebpf
	$(VENV)/ruff check .
	$(VENV)/ruff format --check .
	$(VENV)/mypy
	$(VENV)/lint-imports --no-logo
	$(VENV)/python -m sandboxes.setup.gofiles
	$(VENV)/python -m pytest -q tests/ground

fmt:
	@$(SETUP) --only go
	$(VENV)/ruff check --fix-only --exit-zero .
	$(VENV)/ruff format .
	$(VENV)/python -m sandboxes.setup.gofiles --write

bench: setup
	@exec $(VENV)/python -m tests.bench $(ARGS)

prove: setup
	@exec $(VENV)/lastmile prove $(LAB) $(ARGS)

lock:
	$(PYTHON) -m venv build/lock
	build/lock/bin/pip install --quiet uv==$(UV)
	build/lock/bin/uv pip compile $(LOCK) requirements.in -o requirements.lock
	build/lock/bin/uv pip compile $(LOCK) sandboxes/setup/pins/go.in -o sandboxes/setup/pins/go.lock

clean:
	rm -rf .venv build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .grimp_cache
	rm -rf platform/lastmile/static/build platform/lastmile/assets/node_modules
