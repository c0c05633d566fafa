# Every target makes what it needs first, on a machine that has make and python3 >= 3.11.
# PYTHON=...  another Python for the virtual environment (make clean first, where there is one already)
# ARGS=...    make test: pytest's arguments, in one process and without coverage; make matrix: tools/matrix.py's

.DEFAULT_GOAL := help
DEMOS := demo-replicas demo-sentinel demo-shard demo-cluster
.PHONY: help demo $(DEMOS) test check pyright matrix bench scale peers clean

export PYTHON
VENV := .venv
BENCH := .venv-bench
PEERS := .venv-peers
# Their requirements contradict each other, so there is an environment for each file of them.
PEER_SETS := $(basename $(notdir $(wildcard tests/peers/*.txt)))
# It asks for a newer Python than the others: the newest that tools/matrix.py finds, where none is given.
FOR_django-cachex = PYTHON="$${PYTHON:-$$(cd tools && python3 -c "$(FIND_NEWEST)")}"
FIND_NEWEST := import matrix; print(next(filter(None, map(matrix.find_python, matrix.PYTHONS[::-1])), ''))
BIN := $(VENV)/bin
# What is many and short, in as many processes as there are processors; then what looks at time, alone.
# The unit tests cover the core by themselves: to count lines in the others would double their time.
PARALLEL := --numprocesses=auto --maxprocesses=8
ALONE := tests/integration --ignore=tests/integration/contract
COVERED := --cov=vkcache/core --cov-branch --cov-fail-under=100 --cov-report=term-missing:skip-covered

help:
	@echo "make demo    a small Django project on vkcache shows what the cache does"
	@echo "make demo-replicas, demo-sentinel, demo-shard, demo-cluster    several servers, and what one's death means"
	@echo "make test    all tests, on servers of their own; the core covered to the last branch"
	@echo "make check   ruff, mypy --strict, import-linter"
	@echo "make pyright tests/typing under pyright as well (needs npm)"
	@echo "make matrix  the tests on every Python, Django and server found here (ARGS=--list shows them, ARGS=--brief is shorter)"
	@echo "make bench   vkcache beside other cache backends, on one server and on several"
	@echo "make scale   what 3, 30 and 300 servers cost, and what a fleet costs them (docs/scale.md)"
	@echo "make peers   values, counters, times, keys and rings, to the installed other backends and back (docs/moving.md)"
	@echo "make clean   removes everything that the others made"

# A stamp for each set of extras, so that pip runs again only where pyproject.toml changed.
$(VENV)/.has-%: pyproject.toml
	@tools/venv $(VENV) -e '.[$*]'
	@touch $@

$(BENCH)/.has-peers: pyproject.toml bench/requirements.txt
	@tools/venv $(BENCH) -e '.[django,embedded,memory]' -r bench/requirements.txt
	@touch $@

$(PEERS)/%/.has-peers: pyproject.toml tests/peers/%.txt
	@mkdir -p $(PEERS)
	@$(FOR_$*) tools/venv $(PEERS)/$* -e '.[django,embedded,lz4,brotli]' -r tests/peers/$*.txt
	@touch $@

demo: $(VENV)/.has-django,embedded,memory
	@$(BIN)/python examples/run_demo.py

$(DEMOS): demo-%: $(VENV)/.has-django,embedded,memory
	@$(BIN)/python examples/run_$*.py

test: $(VENV)/.has-test
ifdef ARGS
	$(BIN)/python -m pytest $(ARGS)
else
	$(BIN)/python -m pytest $(PARALLEL) tests/unit $(COVERED)
	$(BIN)/python -m pytest $(PARALLEL) tests/integration/contract
	$(BIN)/python -m pytest $(ALONE)
endif

check: $(VENV)/.has-check
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

# Apart from check, as it needs node and npm; the typing samples must read the same in both checkers.
pyright: $(VENV)/.has-pyright
	$(BIN)/pyright tests/typing

matrix: $(VENV)/.has-test
	$(BIN)/python tools/matrix.py $(ARGS)

bench: $(BENCH)/.has-peers
	$(BENCH)/bin/python bench/run.py $(ARGS)

scale: $(BENCH)/.has-peers
	$(BENCH)/bin/python bench/scale.py

# Two minutes where the environments are made first, half a minute afterwards; ARGS=--words says every row.
peers: $(PEER_SETS:%=$(PEERS)/%/.has-peers)
	$(PEERS)/current/bin/python -m tests.peers.run $(ARGS) $(PEER_SETS:%=$(PEERS)/%)

clean:
	rm -rf $(VENV) $(BENCH) $(PEERS) .matrix build dist .coverage .hypothesis \
		.mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
