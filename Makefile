# Variables to set on the command line: make deploy IMG=registry.example.com/dispatcher:v0.1.0
IMG            ?= dispatcher:latest
VERSION        ?= $(shell git describe --tags --always --dirty 2>/dev/null)
OVERLAY        ?= config/default
CONTAINER_TOOL ?= docker
NODE           ?= 1
INSTALLER      ?= dist/install.yaml

# The kubectl of the local cluster if it is up, otherwise the kubectl in PATH.
KUBECTL ?= hack/kubectl.sh

TOOL           := go tool -modfile=hack/tools/go.mod
CONTROLLER_GEN := $(TOOL) controller-gen
KUSTOMIZE      := $(TOOL) kustomize
GINKGO         := $(TOOL) ginkgo
GOLANGCI_LINT  := go tool -modfile=$(CURDIR)/hack/golangci-lint/go.mod golangci-lint

# The product's module, and those of test tools that users never build.
MODULES := . test/benchmark test/contract test/gitops test/kstatus

comma := ,

SHELL       := bash
.SHELLFLAGS := -euo pipefail -c

# The manifests to deploy, with the image replaced. No tracked file changes.
MANIFESTS = $(KUSTOMIZE) build $(OVERLAY) | sed 's|image: dispatcher:latest$$|image: $(IMG)|'

.PHONY: help
help: ## List the targets.
	@awk 'BEGIN {FS = ":.*## "} /^##@ / {printf "\n%s\n", substr($$0, 5)} \
		/^[a-z0-9-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' Makefile
.DEFAULT_GOAL := help

##@ Develop

.PHONY: generate
generate: ## Generate the deepcopy functions of the API types.
	$(CONTROLLER_GEN) object paths=./api/...

.PHONY: manifests
manifests: ## Generate the CRDs, the manager's role and the webhook configurations from the markers.
	$(CONTROLLER_GEN) crd:generateEmbeddedObjectMeta=true paths=./api/... output:crd:dir=config/crd/bases
	go run ./hack/trimcrd config/crd/bases/*.yaml
	$(CONTROLLER_GEN) rbac:roleName=manager-role webhook paths=./internal/... \
		output:rbac:dir=config/rbac output:webhook:dir=config/webhook

.PHONY: fmt
fmt: ## Format the Go code and sort the imports.
	$(GOLANGCI_LINT) fmt

.PHONY: lint
lint: ## Run the linters, and shellcheck if it is installed.
	for module in $(MODULES); do (cd $$module && $(GOLANGCI_LINT) run); done
	@if ! command -v shellcheck >/dev/null; then \
		echo "shellcheck is not installed: the scripts were not checked"; \
	else \
		shellcheck --external-sources --source-path=SCRIPTDIR --severity=warning $$(git ls-files '*.sh' .ci/run); \
	fi

.PHONY: verify
verify: ## Check that generated files, formatting and go.mod are up to date, and that every overlay builds.
	hack/verify.sh

##@ Test

# The integration suite waits more than it computes: it runs in several processes, each with a control plane of its own.
# sort -r: the packages below test/ take long, and come before the quick ones.
# test/e2e has no test that runs without a cluster: linking it is for nothing. -vet=off: make lint vets everything.
# -count=1: Go's test cache does not know that the suites build the manager and read config/ in child processes.
PROCESSES ?= 3

.PHONY: test
test: ## Run the unit tests and the suites on a real API server.
	KUBEBUILDER_ASSETS=$$(hack/kubernetes/assets.sh); export KUBEBUILDER_ASSETS; \
	go test -count=1 -vet=off -timeout 30m $(TEST_FLAGS) \
		$$(go list ./... | grep -Ev '/test/(integration|e2e)$$' | sort -r); \
	go test -C test/contract -count=1 -vet=off ./...; \
	$(GINKGO) --procs=$(PROCESSES) --timeout=30m $(GINKGO_FLAGS) test/integration

.PHONY: test-e2e
test-e2e: ## Run the end-to-end suite on its own local Kubernetes with one node. Needs root.
	hack/e2e.sh

# TestHostile* measure time and memory, which the race detector distorts.
.PHONY: test-race
test-race: ## Run the unit tests with the race detector. Needs a C compiler.
	go test -race -skip '^TestHostile' $(TEST_FLAGS) ./internal/...

# The short form. docs/faults.md describes the long ones.
FAULTS_EXECUTIONS ?= 300
FAULTS_VARIABLES  := FAULTS_EXECUTIONS FAULTS_SEED FAULTS_RATE FAULTS_DURATION

.PHONY: test-faults
test-faults: ## Inject faults around two replicas for some minutes and check that each execution ran once.
	$(foreach name,$(FAULTS_VARIABLES),$(if $($(name)),$(name)=$($(name)))) \
		KUBEBUILDER_ASSETS=$$(hack/kubernetes/assets.sh) go test -count=1 -v -timeout 3h -run '^TestFaults$$' ./test/faults

FUZZTIME ?= 1m
FUZZ     := $(addprefix internal/,gotemplate:FuzzFunctions gotemplate:FuzzRender render:FuzzCompile render:FuzzPayload \
	sandbox:FuzzAnswer sandbox:FuzzTemplate httpapi:FuzzRouter webhook:FuzzAdmission)

.PHONY: fuzz
fuzz: ## Run each fuzz target for FUZZTIME (1m).
	FUZZ_FLAGS='$(FUZZ_FLAGS)' hack/fuzz.sh $(FUZZTIME) $(FUZZ)

.PHONY: bench
bench: ## Compare with a raw client and update docs/performance.md. BENCH_SHORT=1: one minute, no update.
	go build -C test/benchmark -o $(CURDIR)/bin/benchmark .
	KUBEBUILDER_ASSETS=$$(hack/kubernetes/assets.sh) bin/benchmark \
		$(if $(BENCH_SHORT),-callers=0$(comma)32 -rounds=1 -turn=2s,-doc=docs/performance.md) $(BENCH_FLAGS)

.PHONY: bench-held
bench-held: ## Measure with and without 50,000 finished executions and update docs/performance.md.
	go build -C test/benchmark -o $(CURDIR)/bin/benchmark .
	KUBEBUILDER_ASSETS=$$(hack/kubernetes/assets.sh) \
		bin/benchmark -held=50000 -doc=docs/performance.md $(BENCH_FLAGS)

##@ Build

.PHONY: build
build: ## Build bin/manager.
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/manager .

.PHONY: docker-build
docker-build: ## Build the image IMG.
	$(CONTAINER_TOOL) build --build-arg VERSION=$(VERSION) -t $(IMG) .

.PHONY: docker-push
docker-push: ## Push the image IMG.
	$(CONTAINER_TOOL) push $(IMG)

.PHONY: build-installer
build-installer: ## Write everything that `make deploy` applies to dist/install.yaml.
	mkdir -p $(dir $(INSTALLER))
	$(MANIFESTS) >$(INSTALLER)

##@ Run on this machine

.PHONY: demo
demo: ## Build, deploy and run the sample on a local Kubernetes with one node. Needs root.
	hack/demo.sh

.PHONY: cluster-up
cluster-up: ## Start a local Kubernetes with one node. Needs root. NODE=0: only a control plane, no root.
	hack/$(if $(filter 0,$(NODE)),controlplane,node)/up.sh

.PHONY: cluster-down
cluster-down: ## Stop the local Kubernetes and remove its state.
	hack/controlplane/down.sh
	hack/node/down.sh

.PHONY: run
run: build ## Run the manager in the foreground against the local Kubernetes, with its webhooks.
	go build -o bin/run ./hack/run
	exec bin/run

.PHONY: kubectl
kubectl: ## Print the path of the local Kubernetes' kubectl.
	@echo "$$(hack/kubernetes/assets.sh)/kubectl"

##@ Deploy to a cluster

.PHONY: install
install: ## Install the CRDs.
	$(KUBECTL) apply -k config/crd

.PHONY: uninstall
uninstall: ## Delete the CRDs, and with them every template and execution.
	KUBECTL=$(KUBECTL) hack/remove-executions.sh
	$(KUBECTL) delete --ignore-not-found -k config/crd

.PHONY: deploy
deploy: ## Deploy OVERLAY (config/default) with the image IMG. The cluster needs cert-manager.
	@$(KUBECTL) get crd certificates.cert-manager.io >/dev/null || { \
		echo "The cluster needs cert-manager: https://cert-manager.io/docs/installation" >&2; exit 1; }
	$(MANIFESTS) | $(KUBECTL) apply -f -

.PHONY: undeploy
undeploy: ## Delete what `make deploy` applied, and with it every template and execution.
	KUBECTL=$(KUBECTL) hack/remove-executions.sh
	$(MANIFESTS) | $(KUBECTL) delete --ignore-not-found -f -
	@# What only other overlays have stays when OVERLAY is deployed over one of them.
	$(KUBECTL) delete --ignore-not-found -f config/overlays/secure/network_policy.yaml
	! $(KUBECTL) get crd servicemonitors.monitoring.coreos.com >/dev/null 2>&1 || \
		$(KUBECTL) delete --ignore-not-found -k config/prometheus
