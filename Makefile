# `make` alone lists the targets.

# The cargo profile of everything: dev for the desk, ci for a machine that builds once, release to measure.
PROFILE ?= dev
export PROFILE

.PHONY: help setup run stack stack-down run-full test lint fmt check bench clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

setup:  ## install everything that building, testing and linting need (apt, Maven Central, PyPI)
	scripts/setup run test lint

run:  ## run Godwit in one process, on a PostgreSQL of its own
	scripts/run

stack:  ## start the real servers (PostgreSQL, Redis, Kafka, S3, mail sink) and leave them running
	scripts/setup test
	scripts/stack up
	@scripts/stack status

stack-down:  ## stop what `make stack` started
	scripts/stack down

run-full:  ## run Godwit in one process, on the real servers of `make stack`
	scripts/run full

test:  ## run all tests against real servers of their own; ARGS="-p godwit-auth name" narrows them
	scripts/test $(ARGS)

lint:  ## rustfmt, clippy, cargo-deny, unused dependencies, buf lint and breaking, shellcheck
	scripts/lint

fmt:  ## format the Rust code and the proto files
	cargo fmt --all
	scripts/setup lint
	"$${GODWIT_CACHE:-$$HOME/.cache/godwit}"/venv/bin/buf format -w proto --exclude-path proto/google

check:  ## type-check everything
	cargo check --workspace --all-targets --profile $(PROFILE)

bench:  ## measure an optimised build; ARGS name the parts, see scripts/bench
	scripts/bench $(ARGS)

clean:  ## stop the servers and delete what was built and stored here
	for stack in .godwit/*/state.json; do if [ -e $$stack ]; then scripts/stack wipe --dir $$(dirname $$stack); fi; done
	rm -rf .godwit
	cargo clean
