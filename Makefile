# Lubberline: `make up` runs it, `make test` proves it; `make help` lists the rest.

SHELL       := /bin/bash
BIN         := bin
DATA_DIR    ?= data
VERSION     ?= $(shell git describe --always --dirty 2>/dev/null || echo unknown)
LDFLAGS     := -s -w -X github.com/lubberline/lubberline/version.Version=$(VERSION)
# kubectl asks for the version of the Kubernetes libraries: v0.X.Y of a module is v1.X.Y.
KUBERNETES  := $(shell go list -m -f '{{.Version}}' k8s.io/api 2>/dev/null | sed 's/^v0/v1/')
KUBERNETES_PARTS := $(subst ., ,$(KUBERNETES:v%=%))
LDFLAGS     += $(foreach p,k8s.io/component-base/version k8s.io/client-go/pkg/version,-X $p.gitVersion=$(KUBERNETES) -X $p.gitTreeState=clean \
	-X $p.gitMajor=$(word 1,$(KUBERNETES_PARTS)) -X $p.gitMinor=$(word 2,$(KUBERNETES_PARTS)))
# DuckDB asks for a table of all symbols, for plug-ins that we do not load: 40 MB that are mapped at the start.
UNEXPORTED  := -extldflags=-Wl,--no-export-dynamic
GOLANGCI    := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.12.0
TEST_FLAGS  ?=
export GOFLAGS ?= -buildvcs=false

.DEFAULT_GOAL := help
.PHONY: help build up test unit bench fuzz openapi docs lint fmt clean compiler peers

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# The linker writes so much at once that the kernel keeps the file in pages of 2 MiB,
# and maps a whole one for each byte that is touched: 45 MB more than of a copy.
build: compiler runtime ## build bin/lubberline, bin/lubberline-collector and bin/runtime
	CGO_ENABLED=1 go build -trimpath -ldflags '$(LDFLAGS) $(UNEXPORTED)' -o $(BIN)/lubberline ./cmd/lubberline
	cat $(BIN)/lubberline > $(BIN)/lubberline.copy && chmod 755 $(BIN)/lubberline.copy && mv $(BIN)/lubberline.copy $(BIN)/lubberline
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN)/lubberline-collector ./cmd/lubberline-collector

up: build ## run everything on this machine, data below DATA_DIR (Ctrl-C ends it)
	$(BIN)/lubberline up --data-dir $(DATA_DIR) $(ARGS)

# The container runtime, pinned in a module of its own. runc is C in part, and
# seccomp profiles need libseccomp; CNI and the proxy program the kernel with nft.
RUNTIME_STATIC := containerd/v2/cmd/containerd containerd/v2/cmd/containerd-shim-runc-v2 containerd/v2/cmd/ctr
CNI_PLUGINS    := main/bridge main/loopback ipam/host-local meta/portmap meta/bandwidth

runtime: runtime-packages ## build containerd, runc, the CNI plugins and the pause program to bin/runtime
	@mkdir -p $(BIN)/runtime
	CGO_ENABLED=0 go build -C deploy/runtime -trimpath -ldflags '-s -w' -o $(CURDIR)/$(BIN)/runtime/ \
		$(RUNTIME_STATIC:%=github.com/containerd/%) $(CNI_PLUGINS:%=github.com/containernetworking/plugins/plugins/%)
	CGO_ENABLED=1 go build -C deploy/runtime -trimpath -tags seccomp \
		-ldflags "-s -w -X main.version=$$(go list -C deploy/runtime -m -f '{{.Version}}' github.com/opencontainers/runc)" \
		-o $(CURDIR)/$(BIN)/runtime/ github.com/opencontainers/runc
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o $(BIN)/runtime/ ./cmd/lubberline-pause

.PHONY: runtime runtime-packages
runtime-packages:
	@missing=; \
	command -v gcc >/dev/null || missing="$$missing gcc libc6-dev"; \
	command -v pkg-config >/dev/null || missing="$$missing pkg-config"; \
	pkg-config --exists libseccomp 2>/dev/null || missing="$$missing libseccomp-dev"; \
	command -v nft >/dev/null || missing="$$missing nftables"; \
	[ -z "$$missing" ] || { echo "installing$$missing (the container runtime needs them)"; apt-get update -qq && apt-get install -y -qq --no-install-recommends $$missing; }

# DuckDB is C++: its library comes with the module, the linker and libstdc++ do not.
compiler:
	@command -v g++ >/dev/null || { echo 'installing g++ (DuckDB is linked with it)'; apt-get update -qq && apt-get install -y -qq g++; }

.PHONY: demo images
demo: # the compose stack's demo
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o $(BIN)/lubberline-demo ./deploy/compose/demo

IMAGES := collector demo aggregator lubberline
images: ## build the container images, from the Dockerfile's stages
	$(foreach i,$(IMAGES),docker build --target $i -t lubberline/$i:latest . &&) true

peers: ## install and build what the tests run against: Docker, InfluxDB, Elasticsearch
	test/peers/install.sh
	go run ./test/peers/cmd/peers build

# The tests of the whole look at all of the machine, so they run one after the other.
test: build peers docs-fresh ## every test, against the real peers (root; some minutes)
	LUBBERLINE_REAL=1 go test -count=1 -timeout 40m $(TEST_FLAGS) $$(go list ./... | grep -v '/test/')
	LUBBERLINE_REAL=1 go test -count=1 -timeout 40m -p 1 $(TEST_FLAGS) ./test/...

unit: compiler ## only the tests that need no peers and no root
	go test $(TEST_FLAGS) ./...

bench: build ## measure, beside the peers where there are any
	REFERENCE='$(REFERENCE)' test/bench.sh

REFERENCE ?= $(wildcard $(CURDIR)/../shared/kubernetes)
SPECS     ?= $(REFERENCE)/specs/pods.txt

.PHONY: conformance
conformance: build ## upstream Kubernetes' own tests: REFERENCE has the tools, SPECS names the tests, NODES=3 takes three
	REFERENCE='$(REFERENCE)' test/conformance/run.sh '$(SPECS)'

fuzz: ## a minute of fuzzing for each parser of outside bytes
	test/fuzz.sh

openapi: ## generate the OpenAPI definitions, after the Kubernetes libraries were updated
	go generate ./orchestrator/api/openapi

docs: ## generate docs/metrics.md
	go run ./catalog/gendocs > docs/metrics.md

.PHONY: docs-fresh
docs-fresh:
	@go run ./catalog/gendocs | cmp -s - docs/metrics.md || { echo 'docs/metrics.md is stale: run make docs'; exit 1; }

lint: ## golangci-lint with the repository's rules
	go run $(GOLANGCI) run

fmt: ## gofmt
	gofmt -w $$(git ls-files '*.go')

clean: ## remove what make built; data and the peers' cache stay
	rm -rf $(BIN)
