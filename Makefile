# The front door. `make demo` and `make test` each do all of their own set-up.
#
# Torch: pip takes a CPU build where one is offered. Where PyPI's CUDA build would come instead,
# give pip the CPU index:
#   make demo PIP_ARGS="--extra-index-url https://download.pytorch.org/whl/cpu"

PYTHON ?= python3
PIP_ARGS ?=
DATA ?= var/demo
VENV := .venv
BIN := $(VENV)/bin
STEP = @printf '\n== %s\n'

.PHONY: demo serve test check docs durability mixed postgres backfill peers doors abuse browser bench constraints clean

demo: $(VENV)/installed
	$(STEP) "Reading the sample knowledge base into $(DATA)"
	@$(BIN)/folio add examples/articles --data $(DATA)
	$(STEP) "Asking it"
	@sed 's/.*/"&"/' examples/questions.txt | xargs $(BIN)/folio search --data $(DATA) --limit 3
	$(STEP) "Serve it with: make serve    (then open http://127.0.0.1:8000/docs)"

serve: $(VENV)/installed
	@$(BIN)/folio serve --data $(DATA) --no-auth

# Two files of tests at a time: many wait for processes, and together they take half an hour in turn.
test: $(VENV)/developed
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

check: $(VENV)/developed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_layers.py
	$(BIN)/hadolint Dockerfile
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec compose.yaml \
		compose.postgres.yaml compose.embeddings.yaml

# Writes the pages of docs/reference that are made of the program.
docs: $(VENV)/developed
	$(BIN)/python -m tests.docs.reference

# Counts what is promised of stored articles and prints one table: see tests/durability. Minutes in
# this form; the long one: `make durability KILLS=500 STOPS=50 FLIPS=300 EVERY=1 DISKS=20 UPKEEP=20`.
EVERY ?= 7
KILLS ?= 20
STOPS ?= 5
FLIPS ?= 100
DISKS ?= 3
UPKEEP ?= 2
durability: $(VENV)/developed
	$(BIN)/python -m tests.durability --every $(EVERY) --kills $(KILLS) --stops $(STOPS) \
		--flips $(FLIPS) --disks $(DISKS)
	$(BIN)/python -m tests.durability.upkeep --kills $(UPKEEP)

# Ten search, four write, a folder is mirrored and a tuning follows the other: nothing may be lost,
# mixed up or refused, and memory levels off.
MINUTES ?= 60
mixed: $(VENV)/developed
	$(BIN)/python -m tests.durability.mixed --minutes $(MINUTES)

# The suites of the interface and the use cases on PostgreSQL, then servers, workers and PostgreSQL
# itself killed in random turns. `make postgres KILLED=50 OUTAGES=20 DOCUMENTS=2000` is the long form.
KILLED ?= 5
OUTAGES ?= 2
DOCUMENTS ?= 300
postgres: $(VENV)/developed
	FOLIO_TEST_DATABASE=postgresql $(BIN)/python -m pytest -m "not data_folder" \
		tests/api tests/services tests/runtime tests/admin tests/postgres
	$(BIN)/python -m tests.postgres.cluster --kills $(KILLED) --outages $(OUTAGES) \
		--documents $(DOCUMENTS)

# One of two nodes of a Ray cluster is killed amid `folio backfill`: nothing may be lost or come twice.
ARTICLES ?= 10000
backfill: $(VENV)/developed
	@$(BIN)/pip install --quiet $(PIP_ARGS) --constraint constraints.txt --editable '.[ray]'
	$(BIN)/python -m tests.postgres.backfill --articles $(ARTICLES)

# The clients of other frameworks, which are skipped where the extra `peers` is missing.
peers: $(VENV)/developed
	@$(BIN)/pip install --quiet $(PIP_ARGS) --constraint constraints.txt --editable '.[peers]'
	$(BIN)/python -m pytest tests/clients tests/docs/test_readme.py tests/api/test_embeddings.py

# Doors and keys in any order, the long form: whatever is done, each answers for what its key covers.
STEPS ?= 10000
doors: $(VENV)/developed
	FOLIO_TEST_DOOR_STEPS=$(STEPS) $(BIN)/python -m pytest --timeout 14400 tests/api/test_door_states.py

# What a caller or a file could do to others: forbidden acts of a parser, floods, half-open connections.
# Then one key does its worst, an attack after another, while another key searches: a table. Minutes
# in this form; `make abuse SECONDS_EACH=60 TERMINATED=200` is the long one.
SECONDS_EACH ?= 10
TERMINATED ?= 10
abuse: $(VENV)/developed
	$(BIN)/python -m pytest tests/abuse
	$(BIN)/python -m tests.abuse --seconds $(SECONDS_EACH) --terminated $(TERMINATED)

# The pages in Debian's Chromium, with a thousand dropped files and axe-core from npm.
browser: $(VENV)/developed
	command -v chromedriver || (apt-get update -qq && apt-get install -y -qq chromium chromium-driver)
	npm install --silent --no-save --prefix var/axe axe-core
	AXE=$(CURDIR)/var/axe/node_modules/axe-core/axe.min.js DROPPED=1000 \
		$(BIN)/python -m pytest tests/browser tests/admin

bench: $(VENV)/benched
	@sed -n '/^## Commands/,/^## /p' bench/README.md

# The versions that were tested, for Python 3.11 to 3.13. Run it in a fresh .venv.
constraints: $(VENV)/benched
	@$(BIN)/pip install --quiet $(PIP_ARGS) --constraint constraints.txt --editable '.[peers,ray]'
	$(BIN)/pip freeze --exclude-editable --exclude folio-kb | sed 's/+cpu$$//' > constraints.txt

clean:
	rm -rf $(VENV) var build dist

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: $(VENV)/bin/python pyproject.toml constraints.txt
	$(STEP) "Installing into $(VENV)"
	@$(BIN)/pip install --quiet $(PIP_ARGS) --constraint constraints.txt --editable .
	@touch $@

$(VENV)/developed: $(VENV)/installed
	$(STEP) "Installing what the tests need"
	@$(BIN)/pip install --quiet $(PIP_ARGS) --constraint constraints.txt --editable '.[dev]'
	@touch $@

$(VENV)/benched: $(VENV)/developed
	$(STEP) "Installing what the benchmarks need"
	@$(BIN)/pip install --quiet $(PIP_ARGS) --constraint constraints.txt --editable '.[bench]'
	@touch $@
