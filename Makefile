# Everything runs in .venv, which `make setup` makes.
LESSON ?= $(firstword $(wildcard notebooks/*/*.ipynb))
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
export PATH := $(CURDIR)/$(BIN):$(PATH)
export UV_COMPILE_BYTECODE := 1

.PHONY: setup demo test lab build slides pages weights lint bench clean
.DEFAULT_GOAL := demo

setup: $(VENV)/done

$(VENV)/done: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "This project needs Python 3.11 or newer; say which with: make setup PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

demo: setup  ## grade a small class of real submissions: gradebook, CSV, feedback pages, a table
	@rm -rf demo
	@ISOLATION=$$($(BIN)/autograder doctor --isolation >/dev/null 2>&1 || echo --no-sandbox); \
	test -z "$$ISOLATION" || $(BIN)/autograder doctor --isolation || true; \
	$(BIN)/autograder grade 03_convolution 05_conv_backward --submissions tests/submissions --output demo --timeout 3 $$ISOLATION; \
	GRADED=$$?; $(BIN)/autograder report --output demo && exit $$GRADED

test: setup
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile  # a process a core, more threads would fight; a file in one process, so that its class is graded once

lab: setup  ## open the course in JupyterLab
	$(BIN)/jupyter labextension disable --level=sys_prefix @jupyterlab/apputils-extension:announcements 2>/dev/null
	$(BIN)/jupyter lab --ServerApp.root_dir=. $(if $(filter 0,$(shell id -u)),--allow-root) $(LAB_OPTIONS) $(LESSON)

build: setup  ## notebooks from the lesson sources, and the sample class from the notebooks
	$(BIN)/autograder build
	$(BIN)/python tests/submissions/make.py

slides pages: setup  ## every lesson, or LESSONS="05_conv_backward ...", as slides or as a page that opens offline
	$(BIN)/autograder $@ $(LESSONS)

weights: setup  ## train again what lessons need trained, where its recipe has changed
	$(BIN)/python -m cnnlib.trained

lint: setup
	$(BIN)/ruff check . && $(BIN)/ruff format --check .

bench: setup  ## our time per submission against nbgrader's own; the layers against PyTorch, in time and memory
	$(BIN)/python benchmarks/grading_overhead.py
	$(BIN)/python benchmarks/class_throughput.py
	@$(BIN)/python -c 'import torch' 2>/dev/null || $(BIN)/uv pip install --quiet --python $(BIN)/python --editable ".[oracle]"
	$(BIN)/python benchmarks/layers.py
	$(BIN)/python benchmarks/growth.py

clean:
	rm -rf demo slides pages .pytest_cache .ruff_cache
