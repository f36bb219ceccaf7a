# The thin front: each target is one command you could type yourself.
SHELL := /bin/sh
PY := .venv/bin/python
ROOTS := core adapters exporters rules remediation dashboards cli
export PYTHONPATH := deploy/local
.PHONY: help venv platform lock check test demo bench up down clean

help:
	@echo "make demo   - start a real Airflow, break it, watch it being healed (STORIES=all, ALONE=1, KEEP=1)"
	@echo "make test   - every test, set-up included"
	@echo "make check  - format, lint, types, layers, unit tests"
	@echo "make bench  - the benchmark table"
	@echo "make up     - start the local platform and leave it running; make down stops it"

venv:
	@sh deploy/local/bootstrap.sh venv
platform:
	@sh deploy/local/bootstrap.sh platform
lock: ; @sh deploy/local/lock.sh
