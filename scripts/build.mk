# Targets that call scripts: packages, generated files, run, test, lint, install.
PREFIX ?= /usr
DATADIR := $(PREFIX)/share/parley
LIBEXECDIR := $(PREFIX)/lib/parley
SYSCONFDIR ?= /etc

$(BUILD)/.deps: scripts/packages/build
	@mkdir -p $(@D)
	$(Q)scripts/install-packages build
	@touch $@

# A Node.js that is new enough, where the system's own is not.
NODE_DIR := $(CURDIR)/build/node
export PATH := $(NODE_DIR)/bin:$(PATH)
build/.node: scripts/install-node $(BUILD)/.deps
	@mkdir -p $(@D)
	$(Q)scripts/install-node $(NODE_DIR)
	@touch $@
web/node_modules/.stamp: | build/.node

# Named SQL statements, compiled into the worker.
SQL_QUERIES := $(sort $(wildcard sql/queries/*.sql))
$(BUILD)/sql_queries.h: $(SQL_QUERIES) sql/queries scripts/embed-queries
	@mkdir -p $(@D)
	@echo "  GEN     $@"
	$(Q)scripts/embed-queries $(SQL_QUERIES) > $@
$(BUILD)/obj/workers/db.o: $(BUILD)/sql_queries.h

# What workers answer at /api/v1/openapi.json.
$(BUILD)/openapi.json: docs/openapi.yaml scripts/yaml-to-json $(BUILD)/.deps
	@echo "  GEN     $@"
	$(Q)scripts/yaml-to-json $< > $@

# Where an installed Parley finds its parts; another PREFIX compiles these files again.
PLACED := $(BUILD)/obj/lib/conf.o $(BUILD)/obj/master/main.o $(BUILD)/obj/tools/parleyctl.o
$(PLACED): ALL_CFLAGS += -DPARLEY_DATADIR='"$(DATADIR)"' -DPARLEY_LIBEXECDIR='"$(LIBEXECDIR)"' \
	-DPARLEY_CONF='"$(SYSCONFDIR)/parley/parley.conf"'
$(PLACED): $(BUILD)/.prefix
.PHONY: FORCE
$(BUILD)/.prefix: FORCE
	@mkdir -p $(@D)
	@echo '$(PREFIX) $(SYSCONFDIR)' | cmp -s - $@ || echo '$(PREFIX) $(SYSCONFDIR)' > $@

.PHONY: run test soak bench bench-quality bench-swarm bench-instructions lint format install deb clean help
run: ## build everything and serve https://localhost:8443 until Ctrl-C
	@PARLEY_BUILD=$(BUILD) exec scripts/run

test: ## every test: unit, sanitizers, stress, fuzz corpora, integration, interop, end to end
	$(Q)scripts/install-packages test
	$(Q)exec tests/run

bench soak: programs ## measure (tests/bench/run), long runs (tests/soak/run)
	$(Q)test -x tests/$@/run || { echo "make $@: there is no tests/$@/run in this version" >&2; exit 1; }
	$(Q)BUILD=$(BUILD) exec tests/$@/run

bench-instructions: programs bench-programs ## instructions a packet, beside those that are kept (docs/BENCHMARKS.md)
	$(Q)scripts/install-packages bench
	$(Q)BUILD=$(BUILD) exec node tests/bench/instructions.mjs $(if $(KEEP),--keep)

bench-quality: ## measure calls over bad networks, beside Janus (docs/BENCH-QUALITY.md)
	$(Q)BUILD=$(BUILD) exec tests/bench/quality/run

bench-swarm: ## measure 20,000 WebSockets (docs/LOAD.md)
	$(Q)BUILD=$(BUILD) exec tests/bench/swarm/run

C_FILES = $(wildcard $(foreach d,$(FOLDERS) tools/load tests/unit tests/fuzz tests/stress tests/support tests/lab tests/decode tests/net tests/bench,$(d)/*.[ch]))
SCRIPTS = $(shell grep -lE '^\#!/bin/(ba)?sh|^\#!/usr/bin/env bash|shellcheck shell' $(filter-out %.mk,$(wildcard scripts/*)) tests/run tests/bench/run tests/bench/forward/run tests/bench/quality/run tests/bench/swarm/run tests/support/* .ci/run 2>/dev/null)
lint: $(BUILD)/sql_queries.h web/node_modules/.stamp ## check style and look for mistakes without running anything
	$(Q)scripts/install-packages lint
	@echo "  LINT    C"
	$(Q)clang-format --dry-run -Werror $(C_FILES)
	$(Q)cppcheck --quiet --enable=warning,performance,portability --inline-suppr --error-exitcode=1 -j$(shell nproc) \
		--suppressions-list=scripts/cppcheck.supp -D__GNUC__=12 -I. -I$(BUILD) $(filter %.c,$(C_FILES))
	@echo "  LINT    scripts"
	$(Q)shellcheck -x $(SCRIPTS)
	@echo "  LINT    web"
	$(Q)npm --prefix web run --silent lint
	$(Q)npm --prefix web run --silent lint:api

format: ## bring C sources and the page's sources into the project's style
	$(Q)scripts/install-packages lint
	$(Q)clang-format -i $(C_FILES)
	$(Q)npm --prefix web run --silent format

INSTALL_PROGRAMS := bin/parleyd bin/parleyctl bin/parley-load lib/parley/parley-worker lib/parley/parley-mediad
install: programs web $(BUILD)/openapi.json ## install into $(DESTDIR)$(PREFIX)
	@echo "  INSTALL $(DESTDIR)$(PREFIX)"
	$(Q)$(foreach p,$(INSTALL_PROGRAMS),install -D -m 0755 $(BUILD)/$(notdir $(p)) $(DESTDIR)$(PREFIX)/$(p) &&) true
	$(Q)install -D -m 0755 scripts/migrate $(DESTDIR)$(LIBEXECDIR)/migrate
	$(Q)install -D -m 0644 -t $(DESTDIR)$(DATADIR)/sql sql/[0-9]*.sql
	$(Q)install -D -m 0644 $(BUILD)/openapi.json $(DESTDIR)$(DATADIR)/openapi.json
	$(Q)mkdir -p $(DESTDIR)$(DATADIR)/web && cp -r web/dist/. $(DESTDIR)$(DATADIR)/web && \
		chmod -R u=rwX,go=rX $(DESTDIR)$(DATADIR)/web
	$(Q)for page in docs/man/*.[0-9]; do \
		install -D -m 0644 $$page $(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$${page##*/} && \
		gzip -9nf $(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$${page##*/}; done
	$(Q)mkdir -p $(DESTDIR)$(PREFIX)/lib/systemd/system
	$(Q)for unit in systemd/parley.service systemd/parley.socket systemd/parley-turn.service; do \
		sed -e 's|/usr/bin/parley|$(PREFIX)/bin/parley|; s|/usr/lib/|$(PREFIX)/lib/|; s|/etc/parley|$(SYSCONFDIR)/parley|g' $$unit \
		> $(DESTDIR)$(PREFIX)/lib/systemd/system/$${unit##*/} || exit 1; done
	$(Q)install -D -m 0644 systemd/parley.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/parley.conf
	$(Q)install -D -m 0644 systemd/parley.tmpfiles $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/parley.conf
	$(Q)[ -e $(DESTDIR)$(SYSCONFDIR)/parley/parley.conf ] || \
		install -D -m 0644 systemd/parley.conf $(DESTDIR)$(SYSCONFDIR)/parley/parley.conf
	$(Q)install -D -m 0644 LICENSE $(DESTDIR)$(PREFIX)/share/doc/parley/copyright

deb: programs web $(BUILD)/openapi.json ## a Debian package in $(BUILD)
	$(Q)scripts/make-deb $(BUILD)

clean: ## remove everything that was built (not var/, the state of make run)
	rm -rf build web/dist

help: ## this list
	@sed -nE 's/^([a-z][a-z -]*):[^#]*## (.*)/  \1\t\2/p' Makefile */build.mk | sort -u | expand -t 14
	@echo
	@echo "  Variables: BUILD=build  SAN=address,undefined or thread  V=1  PREFIX=/usr  DESTDIR=  PARLEY_OPTS=\"-o …\""
