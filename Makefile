# Two commands: `make demo` shows what this is, `make test` shows that it works.

TORCH ?= torch==2.13.0
PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3; do \
	$$python -c 'import ensurepip, sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
	2>/dev/null && echo $$python && break; done)

RUN := .venv/bin/python
INSTALLED := .venv/installed
# Processes that share the tests, and the studies of bench-smoke.
JOBS ?= 2
# One study a file; what they share lies in benchmarks/lib.
STUDIES := $(sort $(wildcard benchmarks/*.py))
INSTALLED_BENCH := .venv/installed-bench
INSTALLED_DOCS := .venv/installed-docs
# Set to build the site without running the tutorials: minutes less, and no figures of theirs.
export FAST ?=
OLDEST := .venv-oldest

# Small tensors give threads too little to do: on few cores they only wait for each other.
export OMP_NUM_THREADS ?= 1

.PHONY: help demo test test-oldest lint docs bench bench-smoke dist clean

help:
	@echo "make demo   install into .venv and run the tour; pictures in demo-output/"
	@echo "make test   install into .venv and run the test suite"
	@echo "make test-oldest   the same with the oldest versions of all packages that pyproject.toml allows"
	@echo "make lint   check style"
	@echo "make docs   build the site into docs/_build/html (FAST=1: without running the tutorials)"
	@echo "make bench  install the peers and run all benchmarks (a day; FLOWKIT_DATA: folder of data)"
	@echo "make bench-smoke   run all benchmarks at tiny sizes, to see that they run (minutes)"
	@echo "make dist   build the wheel and the sdist into dist/"
	@echo "make clean  remove .venv, $(OLDEST), caches and demo-output/"
	@echo
	@echo "Variables: PYTHON=$(PYTHON) (3.11 to 3.13), TORCH='$(TORCH)' (arguments of pip install),"
	@echo "JOBS=$(JOBS) (processes that share the tests, and the benchmarks of bench-smoke)"

demo: $(INSTALLED)
	$(RUN) -m flowkit.demo --output demo-output

test: $(INSTALLED)
	SCIPY_ARRAY_API=1 $(RUN) -m pytest -n $(JOBS) --dist worksteal

test-oldest: $(OLDEST)/installed
	SCIPY_ARRAY_API=1 $(OLDEST)/bin/python -m pytest -n $(JOBS) --dist worksteal

lint: $(INSTALLED)
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .

# The Markdown twin of a page lies beside it; both builds share what was read, so tutorials run once.
docs: $(INSTALLED_DOCS)
	$(RUN) -m sphinx -W --keep-going -q -d docs/_build/doctrees -b html docs docs/_build/html
	$(RUN) -m sphinx -W --keep-going -q -d docs/_build/doctrees -b markdown docs docs/_build/markdown
	cp -r docs/_build/markdown/. docs/_build/html/

bench: $(INSTALLED_BENCH)
	@for study in $(STUDIES); do echo "$$study"; $(RUN) $$study || exit 1; done

# Peers that are not installed are left out, data are those that ship, and no results are kept.
bench-smoke: $(INSTALLED)
	@$(RUN) benchmarks/lib/smoke.py $(JOBS) $(STUDIES)

smoke-%: $(INSTALLED)
	$(RUN) benchmarks/$*.py --smoke

# The wheel is built from the sdist, so that both hold what they need.
dist: $(INSTALLED)
	$(RUN) -m pip install 'build>=1.2'
	$(RUN) -m build --outdir dist

# torch first and alone, so that its version and index are chosen by TORCH and by nothing else.
$(INSTALLED): pyproject.toml
	@test -n "$(PYTHON)" || { echo "No Python 3.11 to 3.13 found: make PYTHON=/path/to/python"; exit 1; }
	$(PYTHON) -m venv .venv
	$(RUN) -m pip install $(TORCH)
	$(RUN) -m pip install -e '.[test]'
	@touch $@

$(OLDEST)/installed: pyproject.toml .ci/oldest.py
	$(PYTHON) -m venv $(OLDEST)
	$(OLDEST)/bin/python .ci/oldest.py > $(OLDEST)/constraints.txt
	$(OLDEST)/bin/python -m pip install $(TORCH)
	$(OLDEST)/bin/python -m pip install -c $(OLDEST)/constraints.txt -e '.[test]'
	@touch $@

$(INSTALLED_BENCH): $(INSTALLED)
	$(RUN) -m pip install -e '.[bench]'
	@touch $@

$(INSTALLED_DOCS): $(INSTALLED)
	$(RUN) -m pip install -e '.[docs]'
	@touch $@

clean:
	rm -rf .venv $(OLDEST) .pytest_cache .ruff_cache build dist demo-output *.egg-info
	rm -rf docs/_build docs/api docs/benchmarks docs/figures docs/gallery
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
