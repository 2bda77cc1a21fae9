# Holdfast. `make run` and `make test` do all set-up; `make help` lists the rest.

SHELL := /bin/bash
.DEFAULT_GOAL := help

VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS  := -s -w -X main.version=$(VERSION)
TOOLS    := $(CURDIR)/.bin
GOLANGCI := v2.15.0
GOFUMPT  := v0.12.0
DATA     ?= holdfast-data
FUZZTIME ?= 20s
AGENTS   := linux/amd64 linux/arm64 windows/amd64 windows/arm64 darwin/amd64 darwin/arm64

.PHONY: help need run build agents web generate test test-go test-web race fuzz chaos bench lint check clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

need:
	@for p in go node npm cc; do command -v $$p >/dev/null || { echo "Holdfast needs $$p: install Go 1.26+, Node 20+, make and a C compiler, then run make again." >&2; exit 1; }; done

run: build ## build everything and start Holdfast on this machine
	./bin/holdfast up --data $(DATA)

build: need web ## build the console, the server and this machine's agent
	CGO_ENABLED=1 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/holdfast ./cmd/holdfast
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/holdfast-agent ./cmd/holdfast-agent

agents: need ## cross-compile the agent for every platform
	@for p in $(AGENTS); do \
	  os=$${p%/*} arch=$${p#*/} ext=; [ $$os = windows ] && ext=.exe; \
	  out=bin/agents/holdfast-agent-$$os-$$arch$$ext; \
	  CGO_ENABLED=0 GOOS=$$os GOARCH=$$arch go build -trimpath -ldflags '$(LDFLAGS)' -o $$out ./cmd/holdfast-agent || exit 1; \
	  echo "$$out $$(stat -c %s $$out) bytes"; done

web: web/dist/index.html ## build the console

web/node_modules/.package-lock.json: web/package.json web/package-lock.json
	cd web && PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm ci --no-audit --no-fund
	@touch $@

web/dist/index.html: web/node_modules/.package-lock.json $(shell find web/src web/index.html web/vite.config.ts -type f 2>/dev/null)
	cd web && npm run build

generate: need web/node_modules/.package-lock.json ## regenerate what is generated from the code
	go run ./cmd/holdfast openapi > docs/openapi.json.new
	mv docs/openapi.json.new docs/openapi.json
	cd web && npm run types
	go test ./ingest/parser/all -run TestTable -update > /dev/null

test: need .ci/packages ## install what the tests need and run all of them
	@./.ci/packages
	$(MAKE) build
	$(MAKE) test-go test-web

SENDERS := ingest/input/testdata/senders
$(SENDERS)/node_modules/.package-lock.json: $(SENDERS)/package.json $(SENDERS)/package-lock.json
	cd $(SENDERS) && npm ci --no-audit --no-fund
	@touch $@

test-go: $(SENDERS)/node_modules/.package-lock.json
	go vet ./...
	HOLDFAST_BIN=$(CURDIR)/bin/holdfast go test -timeout 25m ./...

test-web: web/node_modules/.package-lock.json
	cd web && npm run test

race: need $(SENDERS)/node_modules/.package-lock.json ## the Go tests under the race detector
	go test -race -p 1 -timeout 40m -short ./...

fuzz: need ## every fuzz target for FUZZTIME; what one finds is kept in testdata/fuzz
	@FUZZTIME=$(FUZZTIME) .ci/fuzz

chaos: need ## a hundred rounds of kills, full and slow disks, torn writes, clock jumps and bursts
	go build -o bin/holdfast ./cmd/holdfast
	CGO_ENABLED=0 go build -o bin/holdfast-agent ./cmd/holdfast-agent
	HOLDFAST_BIN=$(CURDIR)/bin/holdfast HOLDFAST_CHAOS_ROUNDS=$${HOLDFAST_CHAOS_ROUNDS:-100} go test -count 1 -timeout 3h -run '^TestChaos$$' -v ./cmd/holdfast

bench: need ## the benchmarks
	go test -run '^$$' -bench . -benchmem ./...

$(TOOLS)/golangci-lint:
	GOFLAGS= GOBIN=$(TOOLS) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI)

$(TOOLS)/gofumpt:
	GOFLAGS= GOBIN=$(TOOLS) go install mvdan.cc/gofumpt@$(GOFUMPT)

lint: need $(TOOLS)/golangci-lint $(TOOLS)/gofumpt web/node_modules/.package-lock.json ## formatting, golangci-lint, ESLint
	@out=$$($(TOOLS)/gofumpt -l $$(git ls-files '*.go')); [ -z "$$out" ] || { echo "gofumpt would change:"; echo "$$out"; exit 1; }
	$(TOOLS)/golangci-lint run ./...
	cd web && npm run lint

check: lint test race agents ## all that CI runs

clean: ## remove what was built
	rm -rf bin web/dist/static web/dist/index.html
