# Two commands do everything: `make demo` and `make test`. On Windows see README.md.
PYTHON ?= python3
VENV   ?= .venv
# Any torch from 2.1 on will do; this one is what the tests were last run with.
TORCH  ?= torch==2.13.0
# Tests at once. Many wait for a web UI to start, so two serve two cores well; more disturb each other's clips.
WORKERS ?= 2
# Of those that launch a web UI as a process.
E2E_WORKERS ?= $(WORKERS)

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: demo check test messages windows-python test-windows test-windows-short test-windows-wheel release-check lint bench wheel windows-zip clean

demo: $(VENV)/.engine
	$(BIN)/autotune demo

# Leaves out what starts a web UI (tests/e2e) and what takes seconds (marked slow): a minute on two quiet cores.
check: lint
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal --ignore tests/e2e -m "not slow"

test: $(VENV)/.dev
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal --ignore tests/e2e
	$(BIN)/python -m pytest -n $(E2E_WORKERS) --dist worksteal tests/e2e

# The same tests under a genuine Windows Python, by wine. docs/windows.md says which rooms are left out, and why.
WINDOWS_ROOMS ?= agent cli config decide disk flags language launchfile machine measure model report secrets store trial verbs webui workload
# Those that judge the branches for Windows, in a few minutes.
WINDOWS_SHORT ?= disk store cli/test_output.py launchfile/test_corpus.py::test_cmd_agrees launchfile/test_hostile.py \
  launchfile/test_lock.py launchfile/test_permissions.py agent/test_verb_guard.py agent/test_logs.py \
  agent/test_notify.py agent/test_schtasks.py agent/test_service.py webui/test_bat_environment.py \
  trial/test_server.py webui/test_windows_start.py webui/comfyui/test_layout.py \
  webui/comfyui/test_run_files_judged.py webui/comfyui/test_portable_by_cli.py

windows-python:
	PYTHON=$(PYTHON) tests/windows/python.sh .venv-windows dev

test-windows: windows-python
	WORKERS=$(WORKERS) tests/windows/suite.sh .venv-windows 7200 $(addprefix tests/,$(WINDOWS_ROOMS))

test-windows-short: windows-python
	WORKERS=$(WORKERS) tests/windows/suite.sh .venv-windows 1500 $(addprefix tests/,$(WINDOWS_SHORT))

# Puts each new sentence of the source into the catalogues, takes out those that are gone, and compiles them.
messages: $(VENV)/.dev
	$(BIN)/python -m tests.language.catalogue

lint: $(VENV)/.dev
	$(BIN)/ruff check autotune tests benchmarks
	$(BIN)/mypy
	site=$$(mktemp -d) && { NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --site-dir "$$site"; code=$$?; rm -rf "$$site"; exit $$code; }

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks.search --sessions 200

wheel: $(VENV)/.dev
	$(PIP) install build
	$(BIN)/python -m build --wheel

# What a release consists of, made and checked in a folder that goes again; the release workflow runs the same script.
# ZIP=no leaves out the zip for Windows, which takes longest.
release-check:
	folder=$$(mktemp -d) && { PYTHON=$(PYTHON) tests/packaging/release.sh "$$folder"; code=$$?; rm -rf "$$folder"; exit $$code; }

# The wheel in the genuine Windows Python, by pip.
test-windows-wheel: windows-python $(VENV)/.dev
	folder=$$(mktemp -d) && $(BIN)/python -m hatchling build -t wheel -d "$$folder" && \
	  { PYTHON=$(PYTHON) tests/packaging/windows.sh .venv-windows "$$folder"/*.whl; code=$$?; rm -rf "$$folder"; exit $$code; }

# A zip with its own Python for Windows, built on Linux. WITH= leaves out PyTorch, and with it the demo.
WITH ?= engine

windows-zip:
	PYTHON=$(PYTHON) tests/windows/portable.sh dist/autotune-windows.zip $(WITH)

$(VENV)/.engine: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(PIP) install "$(TORCH)"
	$(PIP) install -e ".[engine]"
	# Byte code ahead of the first run, so that every command starts fast, also where Python may not write it.
	$(BIN)/python -m compileall -q autotune
	touch $@

$(VENV)/.dev: $(VENV)/.engine
	$(PIP) install -e ".[engine,dashboard,storage,dev]"
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
