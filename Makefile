# The thin front: each target is one command you could type yourself.
SHELL := /bin/sh
PYTHON ?= python3
PY := .venv/bin/python
export PYTHONPATH := deploy/local:tests
# Tests start hundreds of programs: what one of them compiled, the next one finds.
unexport PYTHONDONTWRITEBYTECODE
.PHONY: help venv platform lock schemas grafana-schema generate docs docs-commands pictures format check test reliability soak bench bench-faults demo up down clean install image-test

help:
	@echo "make demo   - start a real Airflow, break it, watch it being healed (STORIES=all, ALONE=1, KEEP=1)"
	@echo "make test   - every test, set-up included"
	@echo "make check  - the fast part: format, lint, types, layers, unit and command-line tests"
	@echo "make reliability - the stories and failures that take minutes"
	@echo "make soak   - an hour of cut connections and killed leaders (SOAK_MINUTES=N)"
	@echo "make bench  - the benchmarks, each beside what it is compared with"
	@echo "make bench-faults - eleven faults, Airflow alone beside Airflow with Airwarden; hours (FAULTS=, SIDES=, RUNS=)"
	@echo "make up     - start the local platform and leave it running; make down stops it"
	@echo "make format - put every file into the common format"
	@echo "make generate - write the generated files again: dashboards, reference pages"
	@echo "make docs   - the documentation as a site, in build/docs"
	@echo "make docs-commands - run the long commands that README and tutorial tell: demo, test, down"
	@echo "make lock   - compile the lock files again (UPGRADE=1 takes newer versions)"
	@echo "make grafana-schema - make the JSON Schema of dashboards again, from the types that Grafana publishes (needs npm)"
	@echo "make schemas - write the schemas of Airflow's releases again, from real installs"
	@echo "make image-test - build the container image without an engine, and run it; root, minutes"
	@echo "make install - onto this host, as systemd units of a user of its own (DESTDIR=, PREFIX=, PYTHON=)"
	@echo "make pictures - draw the dashboards with Grafana's own components, for the documentation (needs npm)"
	@echo "make clean  - remove what builds and tests left behind; environments and var/ stay"

venv:
	@sh deploy/local/bootstrap.sh venv

platform:
	@sh deploy/local/bootstrap.sh platform

lock: venv
	@sh deploy/local/lock.sh

# Every supported release of Airflow migrates an empty database; what comes of it is committed.
schemas: venv
	@$(PY) -m support.airflow_releases

# Needs Node.js and npm, for this alone: what it makes is committed.
grafana-schema:
	@sh tests/support/grafana_schema/generate.sh

# Tests compare these files with a fresh run and name this target when they differ.
generate: venv
	@$(PY) -m airwarden.dashboards.generate dashboards/grafana
	@$(PY) -m airwarden.cli.reference docs/reference

docs: venv
	@.venv/bin/mkdocs build --strict --quiet && echo build/docs/index.html

# The short ones are run by `make test`.
docs-commands: platform
	@$(PY) -m support.documented

format: venv
	@.venv/bin/ruff check --quiet --fix-only .
	@.venv/bin/ruff format --quiet .

# Set-up is the first layer of all, so that its time is counted with the rest.
check:
	@$(PYTHON) tests/run_layers.py check

test:
	@$(PYTHON) tests/run_layers.py test

reliability:
	@$(PYTHON) tests/run_layers.py reliability

soak: venv
	@SOAK_MINUTES=$${SOAK_MINUTES:-60} $(PY) -m pytest -q -s tests/soak

# Needs Node.js and npm, for this alone, and Chromium; what it draws is committed.
pictures: venv
	@$(PY) tests/support/grafana_pictures/make.py

bench: venv
	@for script in tests/bench/*.py; do echo "== $$script"; $(PY) $$script; done

bench-faults: platform
	@PYTHONPATH=deploy/local $(PY) -m sidebyside run

image-test: venv
	@sh deploy/container/build.sh
	@$(PY) -m pytest -q tests/image

install:
	@PYTHON="$(PYTHON)" DESTDIR="$(DESTDIR)" PREFIX="$(PREFIX)" sh deploy/systemd/install.sh

demo: platform
	@$(PY) -m stories

up: platform
	@$(PY) -m localplatform up

down:
	@$(PY) -m localplatform down

clean:
	@rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .coverage*
