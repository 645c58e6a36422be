# `make up` and `make test` are all that one needs to know; `make help` lists the rest.
SHELL := /bin/bash
PYTHON ?= python3
UV_VERSION := 0.13.9
MADE := .venv/made

.DEFAULT_GOAL := help
.PHONY: help up down app preview plans screenshots story test lint audit format benchmark-serving verify-azure lock

help: ## List the targets.
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 14

up: $(MADE) ## Start Azure on this machine, deploy the checkout to it and show a prediction.
	@.venv/bin/converge local up

down: $(MADE) ## Stop all of it; data stays.
	@.venv/bin/converge local down

app: $(MADE) ## Serve app_template, anew with every change: make app, make app MODEL=folder, make app STACK=local
	@$(if $(PORT),PORT=$(PORT)) .venv/bin/python $(or $(APP),app_template)/develop.py $(if $(MODEL),--model "$(MODEL)") $(if $(STACK),--stack $(STACK)) $(if $(SERVICE),--service $(SERVICE))

preview: $(MADE) ## Preview a stack without credentials: make preview STACK=prod
	@.venv/bin/converge local preview $(or $(STACK),dev)

plans: $(MADE) ## Write the golden plans in plans/ anew: every stack, from nothing.
	@.venv/bin/python -m delivery.plan.golden

screenshots: $(MADE) ## Make the pictures in docs/images anew, in a real browser.
	@.venv/bin/python -m tests.screenshots

story: $(MADE) ## Play a whole delivery on this machine, from a pull request to a roll-back, and say how long it took.
	@.venv/bin/python -m tests.story

test: $(MADE) ## Run every check and test.
	@.venv/bin/python tests/run.py

lint: $(MADE) ## Format and lint check, types, pipelines.
	@.venv/bin/ruff format --check . && .venv/bin/ruff check . && .venv/bin/pyright && .venv/bin/python -m pytest --quiet tests/pipelines/test_lint.py

audit: $(MADE) ## Look for known vulnerabilities in the packages that ship in images.
	@.venv/bin/pip-audit --strict --require-hashes --disable-pip --requirement app_template/requirements.txt

format: $(MADE) ## Format the code.
	@.venv/bin/ruff format . && .venv/bin/ruff check --fix .

benchmark-serving: $(MADE) ## Measure the service against other model servers, each in an environment of its own; wants two quiet cores.
	@.venv/bin/python -m benchmarks.serving

verify-azure: $(MADE) ## Make everything in a subscription of your own, look at it, delete it. Costs money, asks first.
	@.venv/bin/python -m delivery.verify

# The environment is complete once the file `made` is newer than what it was made from; a broken attempt is made anew.
$(MADE): requirements.txt requirements-dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Converge needs Python 3.11 or newer; name one with make PYTHON=...")'
	@echo "making .venv with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv .venv || { echo "error: $(PYTHON) cannot make virtual environments; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@.venv/bin/uv pip install --quiet --python .venv/bin/python --require-hashes --requirement requirements-dev.txt
	@.venv/bin/uv pip install --quiet --python .venv/bin/python --no-deps --editable .
	@touch $(MADE)

LOCK := .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header
lock: $(MADE) ## Write the requirements*.txt anew from the pins in pyproject.toml and the requirements*.in.
	@$(LOCK) pyproject.toml -o requirements.txt
	@$(LOCK) pyproject.toml --extra dev app_template/requirements.in app_template/requirements-test.in app_template/training/requirements.in -o requirements-dev.txt
	@$(LOCK) app_template/requirements.in -o app_template/requirements.txt
	@$(LOCK) app_template/requirements.in app_template/requirements-test.in -o app_template/requirements-test.txt
	@$(LOCK) tests/clients/requirements.in -o tests/clients/requirements.txt
