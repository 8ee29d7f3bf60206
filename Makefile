# `make help` lists everything there is to do.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
BIN := .venv/bin
export PYTHONUTF8 := 1

.PHONY: help setup setup-tests asterisk demo run test test-browser screenshots bench-console audit fuzz api-check lint types contracts unit handoff-trial exchange-trial soak chaos cluster-trial soak-asr bench bench-latency bench-calls bench-asr bench-triage bench-kb bench-kb-speech bench-tickets bench-metrics dashboard-types clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: ## everything a fresh machine needs: Debian packages, .venv, models, database, knowledge base
	@scripts/setup.sh

demo: setup ## three real-time calls: an answer, a hand-off to 110, a ticket; files under var/demo/
	@$(BIN)/voicebot demo

run: setup ## start the service on loopback and stay up
	@$(BIN)/voicebot serve

setup-tests: # `setup`, and what only tests need
	@scripts/setup.sh --all

asterisk: ## fetch Asterisk 22 for the tests into .cache/asterisk (needs root)
	@scripts/asterisk.sh

test: setup-tests lint ## everything CI runs
	@$(MAKE) --no-print-directory unit BESIDE="types contracts"

# The tools stay out of .venv: the product does not need them. ARGS="--only code" for one step.
AUDIT := .cache/audit-venv
$(AUDIT)/ready: scripts/audit-tools.lock
	@$(BIN)/python -m venv --clear $(AUDIT)
	@$(AUDIT)/bin/pip install -q --disable-pip-version-check --no-deps -r $<
	@touch $@

audit: $(AUDIT)/ready ## code and dependencies looked through for weaknesses; SBOM under var/audit
	@$(AUDIT)/bin/python scripts/audit.py $(ARGS)

lint: ## ruff: style and mistakes
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: ## mypy, strict
	@$(BIN)/mypy

contracts: ## who may import whom (docs/architecture.md)
	@$(BIN)/lint-imports

# A process for each part: the engines of one (ONNX, Kaldi, CTranslate2, torch, LiteRT) must not
# meet those of another while they are torn down. tests/voicebot is dealt out to several, so
# that all processors have work to the end; what a part says comes when it ends.
VOICEBOT_PARTS := 1 2 3
SIDE_BY_SIDE := $(VOICEBOT_PARTS:%=voicebot-%) asr flows telephony fuzz kb benchmarks
# Real clocks that bear others behind them.
BEFORE := browser cluster live_sip
# Who hears each other by telephone: two at a time leave half of two processors idle.
TWO_AT_ONCE := end_to_end-1 asterisk end_to_end-2 sip
# Those with fixed ports run in a network namespace of their own where one can be made.
ISOLATED := $(TWO_AT_ONCE)
JOBS ?= $(shell nproc)
BEHIND := $(shell chrt --idle 0 true 2>/dev/null && echo chrt --idle 0 || echo nice -n 19)

unit: ## the tests: JOBS parts at a time have what browsers and nodes leave, then the telephones
	@trap 'trap - INT TERM; kill 0' INT TERM; failed=; \
	$(BEHIND) $(MAKE) --no-print-directory -k -j$(JOBS) -O $(BESIDE) $(SIDE_BY_SIDE:%=part-%) & behind=$$!; \
	$(MAKE) --no-print-directory -k -j1 -O $(BEFORE:%=part-%) || failed=1; \
	wait $$behind || failed=1; \
	$(MAKE) --no-print-directory -k -j2 -O $(TWO_AT_ONCE:%=part-%) || failed=1; \
	[ -z "$$failed" ]

LIVE_SIP := fuzz/test_live_sip.py
WHOLE_CALLS := end_to_end/test_calls.py

part-voicebot-%:
	@echo "── tests/voicebot, part $* of $(words $(VOICEBOT_PARTS))"
	@$(BIN)/pytest $$(find tests/voicebot -path tests/voicebot/cluster -prune -o -name 'test_*.py' -print \
	  | sort | awk 'NR % $(words $(VOICEBOT_PARTS)) == $* - 1')

part-fuzz: FOLDER = fuzz --ignore tests/$(LIVE_SIP)
part-live_sip: FOLDER = $(LIVE_SIP)
part-end_to_end-1: FOLDER = $(WHOLE_CALLS)
part-end_to_end-2: FOLDER = end_to_end --ignore tests/$(WHOLE_CALLS)
part-cluster: FOLDER = voicebot/cluster
part-%: FOLDER = $*
part-%:
	@echo "── tests/$(FOLDER)"
	@$(if $(filter $*,$(ISOLATED)),scripts/isolated.sh) $(BIN)/pytest tests/$(FOLDER)

test-browser: setup-tests ## the console's desks in headless Chromium: a real service, real calls
	@$(BIN)/pytest tests/browser/console $(ARGS)

screenshots: setup-tests ## a picture of each page of the console into docs/screenshots
	@$(BIN)/python -m tests.browser.console.screenshots $(ARGS)

# Hand-offs through Asterisk with random faults: N=50 of them; ARGS="--seed 7" repeats a trial.
handoff-trial: setup-tests ## N hand-offs through a real Asterisk, with faults; ends with one JSON line
	@scripts/isolated.sh $(BIN)/python -m benchmarks.handoff_trial --runs $(or $(N),50) $(ARGS)

# Messages with 110 through faults: N=2000 of them; ARGS="--seed 7 --store postgresql".
exchange-trial: setup ## N hand-offs and orders between 12345 and 110, with faults; ends with one JSON line
	@$(BIN)/python -m benchmarks.exchange_trial --orders $(or $(N),2000) $(ARGS)

# Every parser for MINUTES=20 each; ARGS="--only sip_proxy --seed 7" repeats one.
fuzz: setup-tests ## every parser under random input, MINUTES each; ends with one JSON line
	@scripts/isolated.sh $(BIN)/python -m tests.fuzz --minutes $(or $(MINUTES),20) $(ARGS)

# The whole API as every role; the tools stay out of .venv. ARGS="--examples 200 --role agent".
API_CHECK := .cache/api-check-venv
$(API_CHECK)/ready: scripts/api-check-tools.lock
	@$(BIN)/python -m venv --clear $(API_CHECK)
	@$(API_CHECK)/bin/pip install -q --disable-pip-version-check --no-deps -r $<
	@touch $@

api-check: setup $(API_CHECK)/ready ## schemathesis on the running service, as every role
	@$(BIN)/python -m benchmarks.api_check $(ARGS)

soak: setup-tests ## MINUTES of CALLS simultaneous calls: memory, pacing, delay
	@scripts/isolated.sh $(BIN)/python -m benchmarks.soak --minutes $(or $(MINUTES),120) --calls $(or $(CALLS),8) $(ARGS)

# ARGS="--only service_killed --seed 7" repeats a run; ARGS="--keep var/chaos" keeps all of them.
chaos: setup-tests ## each kind of fault N times against a service under calls; ends with one JSON line
	@scripts/isolated.sh $(BIN)/python -m benchmarks.chaos --runs $(or $(N),1) $(ARGS)

# ARGS="--kill asr --seed 7" repeats a run; ARGS="--calls 4 --transcribed 1" for a small machine.
cluster-trial: setup-tests ## CALLS SIP calls at several nodes; each process killed N times; ends with one JSON line
	@$(BIN)/python -m benchmarks.cluster_trial --runs $(or $(N),1) --calls $(or $(CALLS),20) $(ARGS)

soak-asr: setup ## 200 calls through the two ears, 8 at a time: lost or repeated words, memory
	@$(BIN)/python -m benchmarks.asr_soak $(ARGS)

bench: bench-latency bench-asr ## both benchmarks, each against the plain alternative

bench-latency: setup ## reply latency against an ordinary pipecat pipeline
	@$(BIN)/python -m benchmarks.bench_latency $(ARGS)

# ARGS="--seconds 30 --callers 1,4" is a quick look.
bench-calls: setup ## how many real calls this machine carries, and what 5 times as many do to them
	@$(BIN)/python -m benchmarks.bench_calls $(ARGS)

bench-asr: setup ## recognition: CER, cost, latency with many calls, against the plain ways
	@$(BIN)/python -m benchmarks.asr $(ARGS)

# LINES=FILE are labelled lines to be spoken; what was recognised is kept under var/.
bench-triage: setup ## triage: recognised speech, timing within a sentence, ordinary talk
	@mkdir -p var/bench-triage
	@$(BIN)/python -m benchmarks.triage_speech $(or $(LINES),flows/triage/data/gate.tsv) --lines 600 \
	  --out var/bench-triage/recognised.jsonl
	@$(BIN)/python -m benchmarks.triage
	@$(BIN)/python -m benchmarks.triage_live
	@$(BIN)/python -m benchmarks.ordinary_talk

# ARGS="--entries 20000" for a smaller one, ARGS=--million for FAISS's index alone.
bench-kb: setup ## the search among 100,000 entries: recall, latency, memory, publishing, starting
	@$(BIN)/python -m benchmarks.kb_scale $(ARGS)

# ARGS="--tickets 100000" for fewer, ARGS=--postgresql for a server of its own. A quarter of an hour.
bench-tickets: setup ## a million tickets: every query of the console; what a call waits for its record
	@$(BIN)/python -m benchmarks.record_path
	@$(BIN)/python -m benchmarks.tickets_scale $(ARGS)

# What was recognised is kept under var/, so that a run that was cut off goes on. ARGS=--plain.
bench-kb-speech: setup ## the search through synthetic speech, telephone and recognition
	@$(BIN)/python -m benchmarks.kb_speech --out var/bench-kb/spoken.jsonl $(ARGS)

dashboard-types: ## the Grafana dashboard against Grafana's own TypeScript types (node, npm)
	@$(BIN)/python scripts/grafana_types.py

# ARGS="--calls 100" for more calls at a time.
bench-metrics: setup ## what metrics and traces cost, beside neither
	@$(BIN)/python -m benchmarks.metrics $(ARGS)

# ARGS="--boards 0" tells what playing the calls takes by itself.
bench-console: setup ## 200 live boards: what they cost the service, and whether one misses anything
	@$(BIN)/python -m benchmarks.console_live $(ARGS)

clean: ## remove state and caches; models and .venv stay
	@rm -rf var .mypy_cache .ruff_cache .pytest_cache .hypothesis
