# What a developer of fluxd types. `make` alone lists the targets.

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
IMAGE   ?= fluxd/fluxd
ARCHES  ?= amd64 arm64

# The daemon is one static program on every platform; only the race detector
# asks for a C compiler.
export CGO_ENABLED ?= 0

binaries := $(ARCHES:%=dist/bin/fluxd-linux-%)

.DEFAULT_GOAL := help
.PHONY: help demo build test unit race lint generate check bench image install.yaml deploy cluster cluster-down clean $(binaries)

help: ## list the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z][a-z.-]*:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## show fluxd at work on a cluster of its own, on this machine
	go run ./test/demo

build: ## build the daemon for this machine into bin/fluxd
	go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/fluxd ./cmd/fluxd

test: ## run all tests, those on a real control plane among them; needs only Go and git
	@hack/check test compat cluster

unit: ## run the tests that need no control plane, in seconds
	@hack/check test

race: ## run the tests of concurrent packages under the race detector
	@hack/check race

lint: ## check format, vet, lint and modules
	@hack/check format vet lint modules

generate: ## write deep copies, CRDs and the flag reference anew
	@hack/generate

check: ## run everything that CI runs
	@hack/check

bench: ## measure fluxd, and Flux if PEER_BIN is set, for docs/benchmarks.md; see docs/development.md
	go run ./test/bench -write $(SCENARIOS)

image: $(binaries) ## write the container image to dist/image, without a container engine
	go run ./hack/image -version '$(VERSION)' -name '$(IMAGE)' -out dist/image $(foreach a,$(ARCHES),linux/$(a)=dist/bin/fluxd-linux-$(a))

$(binaries): dist/bin/fluxd-linux-%:
	GOOS=linux GOARCH=$* CGO_ENABLED=0 go build -buildvcs=false -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o $@ ./cmd/fluxd

install.yaml: ## write dist/install.yaml, and dist/fluxd.yaml for clusters that have Flux
	go run ./hack/render -image '$(IMAGE):$(VERSION)' -out dist/install.yaml deploy
	go run ./hack/render -image '$(IMAGE):$(VERSION)' -out dist/fluxd.yaml deploy/fluxd

deploy: install.yaml ## apply dist/install.yaml to the cluster of the current kubeconfig
	kubectl apply --server-side -f dist/install.yaml
	kubectl -n flux-system rollout status deployment/fluxd

cluster: ## start a control plane with simulated nodes on this machine
	@go run ./test/controlplane/cmd/cluster up

cluster-down: ## stop that control plane
	@go run ./test/controlplane/cmd/cluster down

clean: ## remove what was built here
	rm -rf bin dist
