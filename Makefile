# Thin on purpose: each target is one command, and CI calls the same ones.
PY := .venv/bin/python
SHELL := /bin/bash

.PHONY: help demo test check e2e chaos soak proof generate bench setup clean pictures

help: ## What there is to make
	@grep -hE '^[a-z0-9]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9]+):.*## /  make \1\t/' | expand -t 18

demo: setup ## A simulated cluster with the daemon on it; open the address that it prints
	$(PY) -m argoscope demo $(ARGS)

test: setup ## The fast tests
	$(PY) -m pytest -m "not e2e" -n auto $(ARGS)

check: setup ## Format, lint, types, layers
	.venv/bin/ruff format --check . && .venv/bin/ruff check . && .venv/bin/mypy && .venv/bin/lint-imports

e2e: setup ## Against the real API server and node in ../shared/envtest; skipped where it is absent
	$(PY) -m pytest -m e2e -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

chaos: setup ## kill -9 three hundred times, and every number compared; about 20 minutes
	$(PY) tests/chaos/chaos.py $(ARGS)

proof: setup ## Every panel and alert asked of a real Prometheus that holds the simulated cluster
	$(PY) tests/proof/proof.py $(ARGS)

generate: setup ## Write the generated docs, dashboards and rules anew
	$(PY) -m argoscope.reference docs
	$(PY) -m argoscope_dashboards.cli build --out dashboards/rendered
	$(PY) -m argoscope_alerts.reference .
	$(PY) deploy/generate.py

bench: setup ## Speed and memory beside peers, as a table and out/bench.json
	$(PY) tests/bench/run.py $(ARGS)

pictures: setup ## Dashboards as PNG in out/pictures, from a Prometheus: ARGS="--prometheus URL"
	cd tests/pictures && npm install --no-package-lock --no-audit --no-fund --legacy-peer-deps
	node tests/pictures/render.mjs $(ARGS)

soak: setup ## Ten minutes of load beside the daemon: memory, CPU, scrapes, latency; out/soak.svg
	$(PY) tests/soak/run.py $(ARGS)

setup: .venv/ready ## The virtual environment with everything in it

.venv/ready: pyproject.toml constraints.txt
	@echo "Setting up .venv: half a minute with a warm cache, two without"
	@python3 -m venv .venv
	@.venv/bin/pip install --quiet --disable-pip-version-check --editable '.[dev]' --constraint constraints.txt
	@touch $@

clean: ## Remove what make has made
	rm -rf .venv out .pytest_cache .mypy_cache .ruff_cache .hypothesis
