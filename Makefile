# The two that matter: `make run` and `make test`. The others are for work on the code.

# Queries are checked against .sqlx, so that nothing here needs a database to build.
export SQLX_OFFLINE := true
# rustup puts cargo here, and a shell that is not a login shell may not know.
export PATH := $(PATH):$(HOME)/.cargo/bin

.DEFAULT_GOAL := help
.PHONY: help run test setup build release check format lint queries openapi clean

help: ## Say what there is
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r target text; do \
		printf '  make %-9s %s\n' "$$target" "$$text"; done

run: ## Install what is missing, build, and run everything on a private PostgreSQL (ARGS="--listen 127.0.0.1:9000")
	@scripts/setup
	@cargo run --locked --bin luna-organizations -- dev $(ARGS)

test: ## Run everything that CI runs (STAGES="format clippy" for some of it)
	@scripts/setup test
	@scripts/test $(STAGES)

setup: ## Install what `make run` and `make test` need from the system
	@scripts/setup test

build: ## Build the debug binary
	@cargo build --locked

release: ## Build the release binary
	@cargo build --locked --release

check: ## The quick part of the tests: formatting, lints, unit and integration tests
	@scripts/test format clippy tests

format: ## Format the code
	@cargo fmt --all

lint: ## Read the scripts, the Dockerfile and docker-compose.yml
	@scripts/lint

queries: ## Bring .sqlx up to date after a change of a query or a migration
	@scripts/prepare-queries

openapi: ## Write openapi.yaml anew after a change of a route
	@scripts/check-openapi --write

clean: ## Remove what was built
	@cargo clean
