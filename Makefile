# What can be changed from outside: make deploy IMG=registry.example.com/dispatcher:v0.1.0
IMG            ?= dispatcher:latest
VERSION        ?= $(shell git describe --tags --always --dirty 2>/dev/null)
OVERLAY        ?= config/default
CONTAINER_TOOL ?= docker
NODE           ?= 1
INSTALLER      ?= dist/install.yaml

# kubectl of the local cluster while that is up, else the machine's own.
KUBECTL ?= hack/kubectl.sh

TOOL           := go tool -modfile=hack/tools/go.mod
CONTROLLER_GEN := $(TOOL) controller-gen
KUSTOMIZE      := $(TOOL) kustomize
GOLANGCI_LINT  := go tool -modfile=hack/golangci-lint/go.mod golangci-lint

comma := ,

SHELL       := bash
.SHELLFLAGS := -euo pipefail -c

# The manifests to deploy, with the image in place. No tracked file is touched.
MANIFESTS = $(KUSTOMIZE) build $(OVERLAY) | sed 's|image: dispatcher:latest$$|image: $(IMG)|'

.PHONY: help
help: ## List the targets.
	@awk 'BEGIN {FS = ":.*## "} /^##@ / {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' Makefile
.DEFAULT_GOAL := help

##@ Develop

.PHONY: generate
generate: ## Generate the deepcopy functions of the API types.
	$(CONTROLLER_GEN) object paths=./api/...

.PHONY: manifests
manifests: ## Generate the CRDs, the role and the webhook configurations from their markers.
	$(CONTROLLER_GEN) crd:generateEmbeddedObjectMeta=true paths=./api/... output:crd:dir=config/crd/bases
	go run ./hack/trimcrd config/crd/bases/dispatcher.ivan.vc_jobtemplates.yaml
	$(CONTROLLER_GEN) rbac:roleName=manager-role webhook paths=./internal/... output:rbac:dir=config/rbac output:webhook:dir=config/webhook

.PHONY: fmt
fmt: ## Format the Go code and sort its imports.
	$(GOLANGCI_LINT) fmt

.PHONY: lint
lint: ## Run the linters, shellcheck too where it is installed.
	$(GOLANGCI_LINT) run
	$(if $(shell command -v shellcheck),shellcheck --external-sources --source-path=SCRIPTDIR --severity=warning $$(git ls-files '*.sh' .ci/run),@echo "shellcheck is not installed: the scripts were not checked")

# Nothing from Go's test cache: the suites build the manager and read config/ in child processes, of which that does not know.
.PHONY: test
test: ## Run every test, the integration suite on a real API server included.
	KUBEBUILDER_ASSETS=$$(hack/kubernetes/assets.sh) go test -count=1 -timeout 30m $(TEST_FLAGS) ./...

.PHONY: test-e2e
test-e2e: ## Run the end-to-end suite on a local Kubernetes of its own, with pods that run; it takes root.
	hack/e2e.sh

# Under the race detector, what measures time or memory measures the detector.
.PHONY: test-race
test-race: ## Run the unit tests under the race detector, which needs a C compiler.
	go test -race -skip '^TestHostile' $(TEST_FLAGS) ./internal/...

# The short form. docs/faults.md has the long ones.
FAULTS_EXECUTIONS ?= 300
FAULTS_VARIABLES  := FAULTS_EXECUTIONS FAULTS_SEED FAULTS_RATE FAULTS_DURATION

.PHONY: test-faults
test-faults: ## Break everything around two replicas for a minute or two, and compare a ledger with what ran (FAULTS_SEED=...: again).
	$(foreach name,$(FAULTS_VARIABLES),$(if $($(name)),$(name)=$($(name)))) KUBEBUILDER_ASSETS=$$(hack/kubernetes/assets.sh) \
		go test -count=1 -v -timeout 3h -run '^TestFaults$$' ./test/faults

FUZZTIME ?= 1m
FUZZ     := $(addprefix internal/,gotemplate:FuzzRender render:FuzzCompile render:FuzzPayload httpapi:FuzzRouter webhook:FuzzAdmission)

.PHONY: fuzz
fuzz: ## Fuzz each target for FUZZTIME: compile, render, payload, router and admission request.
	FUZZ_FLAGS='$(FUZZ_FLAGS)' hack/fuzz.sh $(FUZZTIME) $(FUZZ)

.PHONY: bench
bench: ## Compare with a raw client on a local control plane, into docs/performance.md (BENCH_SHORT=1: a look, a minute long).
	KUBEBUILDER_ASSETS=$$(hack/kubernetes/assets.sh) go run ./test/benchmark \
		$(if $(BENCH_SHORT),-callers=0$(comma)32 -rounds=1 -turn=2s,-doc=docs/performance.md) $(BENCH_FLAGS)

.PHONY: bench-held
bench-held: ## Compare the manager with 50,000 finished executions held and with none, into docs/performance.md.
	KUBEBUILDER_ASSETS=$$(hack/kubernetes/assets.sh) go run ./test/benchmark -held=50000 -doc=docs/performance.md $(BENCH_FLAGS)

.PHONY: verify
verify: ## Check that what is generated, formatted or tidied is up to date, and that every overlay builds.
	hack/verify.sh

##@ Build

.PHONY: build
build: ## Build the manager into bin/.
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/manager .

.PHONY: docker-build
docker-build: ## Build the image IMG.
	$(CONTAINER_TOOL) build --build-arg VERSION=$(VERSION) -t $(IMG) .

.PHONY: docker-push
docker-push: ## Push the image IMG.
	$(CONTAINER_TOOL) push $(IMG)

.PHONY: build-installer
build-installer: ## Write all that `make deploy` applies into dist/install.yaml.
	mkdir -p $(dir $(INSTALLER))
	$(MANIFESTS) >$(INSTALLER)

##@ Run on this machine

.PHONY: demo
demo: ## Show it all on a local Kubernetes with one node: build, deploy, run the sample, print the pod's log.
	hack/demo.sh

.PHONY: cluster-up
cluster-up: ## Start a local Kubernetes with one node (NODE=0: a control plane alone, no pod runs).
	hack/$(if $(filter 0,$(NODE)),controlplane,node)/up.sh

.PHONY: cluster-down
cluster-down: ## End the local Kubernetes and remove all of it.
	hack/controlplane/down.sh
	hack/node/down.sh

.PHONY: run
run: build ## Run the manager in the foreground against the local Kubernetes, its webhooks registered.
	go build -o bin/run ./hack/run
	exec bin/run

.PHONY: kubectl
kubectl: ## Print the path of the kubectl that came with the local Kubernetes.
	@echo "$$(hack/kubernetes/assets.sh)/kubectl"

##@ Deploy to a cluster

.PHONY: install
install: ## Install the CRDs.
	$(KUBECTL) apply -k config/crd

.PHONY: uninstall
uninstall: ## Remove the CRDs, and with them every template and execution.
	KUBECTL=$(KUBECTL) hack/remove-executions.sh
	$(KUBECTL) delete --ignore-not-found -k config/crd

.PHONY: deploy
deploy: ## Deploy OVERLAY with the image IMG. The cluster needs cert-manager.
	@$(KUBECTL) get crd certificates.cert-manager.io >/dev/null || { echo "The cluster needs cert-manager: https://cert-manager.io/docs/installation" >&2; exit 1; }
	$(MANIFESTS) | $(KUBECTL) apply -f -

.PHONY: undeploy
undeploy: ## Remove what `make deploy` deployed, and with it every template and execution.
	KUBECTL=$(KUBECTL) hack/remove-executions.sh
	$(MANIFESTS) | $(KUBECTL) delete --ignore-not-found -f -
