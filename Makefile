SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: help run test test-devices test-ohif lint bench screenshots venv lock clean

# Options for pytest, as in: make test ARGS="-k policy"
ARGS ?=

help: ## show this
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## install what is missing and start a demo on this machine
	@.ci/bootstrap.sh run
	@exec .venv/bin/firn serve --demo

test: ## install what is missing and run the tests, with branch coverage of hsm and drivers
	@.ci/bootstrap.sh test
	@.venv/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --cov --cov-report=term $(ARGS)

test-devices: ## the tests that need a robot, drives and a recorder, in a small virtual machine; results in var/devices
	@.ci/bootstrap.sh devices
	@.venv/bin/python -m pytest -q tests/test_vagrant.py
	@status=0; \
	.ci/vm/pytest.sh var/devices 10800 -m devices tests/devices $(ARGS) || status=$$?; \
	FIRN_VM_INIT=systemd .ci/vm/pytest.sh var/devices/box 2400 tests/devices/test_box.py || status=$$?; \
	exit $$status

test-ohif: ## fetch the OHIF viewer into var/ohif and look at a study in it with a browser
	@.ci/bootstrap.sh test
	@FIRN_OHIF=var/ohif .venv/bin/python -m pytest -q tests/ohif $(ARGS)

lint: ## style, formatting and types
	@.ci/bootstrap.sh test
	@.venv/bin/ruff check --quiet .
	@.venv/bin/ruff format --quiet --check . || .venv/bin/ruff format --check .
	@.venv/bin/mypy --no-error-summary
	@echo "firn: style and types are clean"

screenshots: ## pictures of every page as each user, light and dark, into var/screenshots; the best into docs/screenshots
	@.ci/bootstrap.sh test
	@.venv/bin/python -m tests.browser.screenshots $(ARGS)

bench: ## measure, and write docs/BENCHMARKS.md
	@.ci/bootstrap.sh test
	@.venv/bin/python -m tests.bench $(ARGS)

venv: ## only make .venv, with everything for development
	@.ci/bootstrap.sh test

lock: ## write the lock files again, from pyproject.toml
	@.ci/lock.sh $(ARGS)

clean: ## remove caches and build leftovers; .venv and var stay
	@rm -rf build dist *.egg-info .coverage .coverage.* htmlcov mutants .mypy_cache .ruff_cache .pytest_cache
	@find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
