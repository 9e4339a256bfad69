# Thin on purpose: each target is one command, and CI calls the same ones.
PY := .venv/bin/python
SHELL := /bin/bash

.PHONY: help demo test check e2e chaos generate bench setup clean

help: ## What there is to make
	@grep -hE '^[a-z0-9]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9]+):.*## /  make \1\t/' | expand -t 18

demo: setup ## A scripted cluster with the daemon on it; open the address that it prints
	$(PY) -m argoscope demo $(ARGS)

test: setup ## The fast tests
	$(PY) -m pytest -m "not e2e" -n auto $(ARGS)

check: setup ## Format, lint, types, layers
	.venv/bin/ruff format --check . && .venv/bin/ruff check . && .venv/bin/mypy && .venv/bin/lint-imports

e2e: setup ## Against the real API server and node in ../shared/envtest; skipped where it is absent
	$(PY) -m pytest -m e2e -p no:xdist $(ARGS)

chaos: setup ## kill -9 three hundred times, and every number compared; about 20 minutes
	$(PY) tests/chaos/chaos.py $(ARGS)

generate: setup ## Write docs/metrics.md and docs/configuration.md anew
	$(PY) -m argoscope.reference docs

bench: setup ## Speed and memory beside peers, as a table and out/bench.json
	$(PY) tests/bench/run.py $(ARGS)

setup: .venv/ready ## The virtual environment with everything in it

.venv/ready: pyproject.toml constraints.txt
	@echo "Setting up .venv: half a minute with a warm cache, two without"
	@python3 -m venv .venv
	@.venv/bin/pip install --quiet --disable-pip-version-check --editable '.[dev]' --constraint constraints.txt
	@touch $@

clean: ## Remove what make has made
	rm -rf .venv out .pytest_cache .mypy_cache .ruff_cache .hypothesis
