# The SalUn book. `make` alone lists what can be made.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
CORES  := $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
# Processes side by side, each with one thread: the quick tier's networks are small, and two processes that
# share two cores with two threads each are several times slower.
JOBS   ?= $(shell n=$(CORES); [ $$n -gt 8 ] && n=8; echo $$n)
OMP_NUM_THREADS ?= 1
export OMP_NUM_THREADS

CHAPTERS := $(basename $(notdir $(sort $(wildcard notebooks/[0-9]*.py))))
EXECUTED := build/book/notebooks
PYTEST   := SALUN_CACHE=$(CURDIR)/build/test-cache $(BIN)/python -m pytest -n $(JOBS) --dist loadgroup --durations=20

.PHONY: help install book html pdf notebooks gpu test test-pages test-browser test-fuzz test-slurm test-durability test-colab image speed plan lint vulnerable lock clean executed $(CHAPTERS:%=execute-%)

help: ## list the targets
	@echo "targets:"
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20
	@echo "variables: PYTHON=python3.12 picks the Python of .venv (3.11 to 3.13), JOBS=N the processes side by side"

install: $(STAMP) ## make .venv and install the exact versions of requirements.lock (once)

book: $(STAMP) ## execute every chapter's quick tier and render the book as HTML
	@rm -rf $(EXECUTED)
	@$(MAKE) --no-print-directory -j$(JOBS) executed
	$(BIN)/python book/render.py --notebooks $(EXECUTED) --out build/book

html: $(STAMP) ## render the book from the committed outputs, executing nothing
	$(BIN)/python book/render.py --out build

pdf: $(STAMP) ## print the committed book as one file, build/book.pdf (needs Chromium)
	$(BIN)/python book/render.py --pdf --out build

notebooks: $(STAMP) ## execute every chapter and write the outputs back into notebooks/*.ipynb
	$(BIN)/python book/refresh.py --jobs $(JOBS) $(NOTEBOOKS)

test: $(STAMP) ## run the tests of the library and of what the pages say
	@rm -rf build/test-cache
	$(PYTEST) -m "not slow" $(PYTEST_ARGS)

test-pages: $(STAMP) ## run the slow tests: execute every notebook and compare, render the book, drive a browser
	$(PYTEST) -m slow $(PYTEST_ARGS)

test-browser: $(STAMP) ## render the committed book and use every page of it in a browser (needs Chromium)
	$(BIN)/python book/render.py --out build
	$(BIN)/python book/browse.py build/html

test-fuzz: $(STAMP) ## feed the readers of files 27,500 damaged or odd inputs, about 10 minutes
	SALUN_FUZZ=1 $(BIN)/python -m pytest -n $(JOBS) -rP tests/fuzz

MINUTES ?= 12
gpu: $(STAMP) ## on a machine with a GPU: a speed line and as many recorded runs as fit into MINUTES=12
	$(BIN)/python benchmark/gpu.py --minutes $(MINUTES) --out out/gpu
test-slurm: $(STAMP) ## run grids through a Slurm on the loopback (root: installs it), about 40 minutes
	SALUN_FIGURES=benchmark/speed/slurm.json $(BIN)/python tests/endurance/slurm.py

test-durability: $(STAMP) ## kill trainings, tunings and grids at random moments, about 15 minutes
	SALUN_FIGURES=benchmark/speed/durability.json $(BIN)/python tests/endurance/durability.py

test-colab: $(STAMP) ## run a chapter's first cell among Colab's packages and see that none is replaced, about 5 minutes
	$(BIN)/python tests/colab/first_cell.py

image: ## build the container that Kubernetes runs (needs docker)
	docker build --tag salun:latest .

speed: $(STAMP) ## time every row against the plain way in turns, about 15 minutes on an idle machine
	$(BIN)/python -m benchmark.speed

plan: $(STAMP) ## what 10,000 runs cost before the first one starts: the real Snakefile, a pretended cluster
	SALUN_FIGURES=benchmark/speed/plan.json $(BIN)/python benchmark/plan/plan.py

lint: $(STAMP) ## check format, style, direction of imports, types and what could be unsafe
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive salun_utils benchmark book

vulnerable: $(STAMP) ## ask pip-audit for known weaknesses of the versions in requirements.lock (needs a network)
	$(BIN)/python tests/habits/vulnerable.py

lock: $(STAMP) ## write requirements.lock anew with a hash of every file; FREE="torch timm" lets these move (needs a network)
	$(BIN)/python tests/habits/lock.py $(FREE)

clean: ## remove what was built (the environment stays; remove .venv by hand)
	rm -rf build _build .pytest_cache .ruff_cache .mypy_cache .import_linter_cache .hypothesis

executed: $(CHAPTERS:%=execute-%)

$(CHAPTERS:%=execute-%): execute-%: $(STAMP)
	@mkdir -p $(EXECUTED)
	@SALUN_CACHE=$(CURDIR)/build/cache $(BIN)/salun run notebooks/$*.ipynb --force --out build/book/runs --notebook-out $(EXECUTED)/$*.ipynb

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null || \
	  { echo "error: Python 3.11, 3.12 or 3.13 is needed, $(PYTHON) is $$($(PYTHON) -V 2>&1 | tail -n 1); try: make PYTHON=python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
