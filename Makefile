# filed: see `make help`.
DENO_VERSION := 2.9.6
MOUNTPOINT ?= /tmp/filed-jobs

# A deno of the right version on PATH serves; else the one that npm brings into the tree.
TOOLS := .deno
DENO := $(shell deno --version 2>/dev/null | grep -q '^deno $(DENO_VERSION) ' && command -v deno)
OWN_ARCH := $(if $(filter aarch64 arm64,$(shell uname -m)),arm64,amd64)
NPM_ARCH_amd64 := x64
NPM_ARCH_arm64 := arm64
ifeq ($(DENO),)
DENO := $(TOOLS)/node_modules/@deno/linux-$(NPM_ARCH_$(OWN_ARCH))-glibc/deno
export DENO_DIR := $(CURDIR)/$(TOOLS)/cache
else
export DENO_DIR ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/deno
endif
# A network with a certificate of its own has it in the machine's store.
export DENO_TLS_CA_STORE ?= mozilla,system
export DENO_NO_UPDATE_CHECK := 1
export DENO_NO_PROMPT := 1
export DENO_DISABLE_NODE_SHIM := 1

# What filed needs and no more: no network, and no code from it. FFI is for the kernel's protocol, the jobs' processes, and
# /proc and /sys, which Deno opens for --allow-all alone; it reaches all of libc, so this keeps mistakes in, not malice.
# Read and write: the state file and the mount point, which the command line names. Run: stat and fusermount3; if they
# were named here, Deno would not start them where LD_LIBRARY_PATH is set. Env: a job inherits all of it. Sys: who runs
# filed, and what df shows.
PERMISSIONS := --allow-ffi --allow-read --allow-write --allow-run --allow-env --allow-sys=uid,gid,statfs --deny-import
# How many MB of what is short-lived a thread gathers before it looks what is still in use.
OPTIONS := $(PERMISSIONS) --v8-flags=--max-semi-space-size=4
MAN_PAGES := man/filed.1

# make test runs filed as this file; empty: from the source tree.
FILED ?= filed

# Which machines `make portable` and `make deb` build for: amd64 or arm64, whatever the environment says. Only the
# runtime is another one, and npm has it.
ARCH := $(OWN_ARCH)
$(if $(filter amd64 arm64,$(ARCH)),,$(error ARCH is amd64 or arm64, and not $(ARCH)))
ifeq ($(ARCH),$(OWN_ARCH))
RUNTIME := $(DENO)
PORTABLE := filed
PACKAGED = $(FILED)
else
RUNTIME := build/runtime/$(ARCH)/deno
PORTABLE := build/$(ARCH)/filed
PACKAGED = $(PORTABLE)
endif

PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
MANDIR ?= $(PREFIX)/share/man
BASHDIR ?= $(PREFIX)/share/bash-completion/completions
ZSHDIR ?= $(PREFIX)/share/zsh/site-functions
FISHDIR ?= $(PREFIX)/share/fish/vendor_completions.d
UNITDIR ?= $(PREFIX)/lib/systemd/system
DEBDIR ?= .

.DEFAULT_GOAL := build
.PHONY: build compile portable install uninstall deb bench bench-quick help run soak test test-tools test-fresh check fmt man clean

build: filed ## build ./filed, one file that needs nothing else: compiled if denort is to be had, else self-extracting

help: ## list the targets
	@sed -n 's/^\([a-z][a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

# Jobs inherit filed's environment, and one may be a make of its own.
MAKE_VARIABLES := MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL MAKE_TERMOUT MAKE_TERMERR ARGS MOUNTPOINT
run: $(DENO) .fuse ## mount the queue at MOUNTPOINT (default /tmp/filed-jobs) and run jobs; Ctrl-C ends it
	@exec env $(patsubst %,-u %,$(MAKE_VARIABLES)) $(DENO) run $(OPTIONS) main.ts $(ARGS) $(MOUNTPOINT)

# Suites run side by side, as most of a test is waiting: each a process of its own, which for root has mounts of its own;
# and then by itself the one that measures time, which needs the machine idle.
# Compilers and the like, which are large, are left out where they are missing; CI leaves out nothing.
export LANGUAGES ?= $(if $(filter-out false 0,$(CI)),all)
SUITES := contract user programs rest then idle
FILES_user := tests/contract/as_user_test.ts
FILES_contract := tests/contract/ --ignore=$(FILES_user)
FILES_programs := tests/clients/ tests/ship/
# All that is not in another one.
FILES_rest := --ignore=tests/contract/,tests/clients/,tests/ship/,tests/idle/
FILES_idle := tests/idle/
# What needs neither a mount nor root.
FILES_unit := src/ bench/ tests/house_test.ts tests/store/ tests/clock/jumps_test.ts tests/contract/sticky_test.ts

# Each name in ONLY is a test or a folder of tests, in tests/ or here: contract/moving, contract, src/tree.
ifneq ($(origin ONLY),command line)
ONLY :=
endif
named = $(patsubst %/.,%/,$(firstword $(wildcard tests/$(1)_test.ts tests/$(1)/. $(1)_test.ts $(1)/.)))
FILES_only := $(foreach name,$(ONLY:/=),$(or $(call named,$(name:_test.ts=)),$(error ONLY: $(name) is no test and no folder of \
	tests, in tests/ or here)))
FILES_only += $(if $(filter tests/contract/,$(FILES_only)),--ignore=$(FILES_user))
TESTED := $(if $(filter-out src/%,$(or $(FILES_only),tests/)),$(FILED))

test: $(DENO) .fuse test-tools $(if $(ONLY),,check) $(TESTED) ## run every check and test, or those of ONLY="contract/moving src/tree"; filed is the file FILED (./filed)
	@FILED='$(if $(TESTED),$(abspath $(TESTED)))' tests/suites '$(MAKE)' $(if $(ONLY),only,$(SUITES))

test-unit: ## run, in seconds, the tests that need no mount, no root and no file to test

test-%: $(DENO) ## run one suite of the tests: contract, user, programs, rest, idle or unit
	@exec env $(patsubst %,-u %,$(MAKE_VARIABLES)) tests/alone $(abspath $(DENO)) test --allow-all \
		$(if $(RESULTS),--junit-path=$(RESULTS)/$*.xml) $(FILES_$*)

SUITE ?= bookworm
test-fresh: ## run make and make test on a Debian made for it: SUITE=bookworm or trixie; root, debootstrap, 20 minutes
	@contrib/need debootstrap:debootstrap
	@tests/ship/fresh-machine $(SUITE)

test-tools: ## install what the tests use of Debian's packages, as root; with LANGUAGES=all, the languages too
	@PATH="$$PATH:/usr/sbin:/sbin" contrib/need $$(grep -hv '^#' tests/programs tests/clients/programs \
		$(if $(filter all,$(LANGUAGES)),tests/languages))

bench: $(DENO) .fuse .bench-tools filed ## measure ./filed against what there is to compare with; writes bench/results.md
	@$(DENO) run --allow-all bench/main.ts --filed $(abspath filed) --write bench $(ARGS)

bench-quick: $(DENO) .fuse .bench-tools filed ## the same with fewer rounds and smaller sizes, and writes nothing
	@$(DENO) run --allow-all bench/main.ts --filed $(abspath filed) --quick $(ARGS)

soak: $(DENO) .fuse ## kill filed 500 times under load, and check what it promises; SEED=, KILLS=
	@$(DENO) run --allow-all tests/soak/main.ts

check: $(DENO) ## check format, lint and types
	$(DENO) fmt --check
	$(DENO) lint
	$(DENO) check main.ts src tests contrib bench

fmt: $(DENO) ## format the code
	$(DENO) fmt

man: $(MAN_PAGES) ## build the manual page (needs scdoc)

man/%: man/%.scd
	@contrib/need scdoc:scdoc
	scdoc < $< | awk -f man/tidy.awk > $@.new && mv $@.new $@

clean: ## remove what make made, the tools included
	rm -rf $(TOOLS) $(MAN_PAGES) build filed filed_*.deb

# Building: the program is bundled into a file for each thread, and the manual goes beside them.
BUNDLE := $(DENO) bundle --quiet --frozen --platform deno
VERSION := $(shell sed -n 's/^export const VERSION = "\(.*\)";$$/\1/p' src/version.ts)
SOURCES := main.ts deno.json deno.lock $(shell find src -name '*.ts' ! -name '*_test.ts')
PACKING := $(wildcard contrib/portable/*)

filed: build/program/main.js build/commit $(PACKING)
	@$(MAKE) --no-print-directory compile 2>build/compile.log >&2 || { \
		[ -z "$$DENORT_BIN" ] || { sed '/^Stack backtrace/,/^make/{/^make/!d}' build/compile.log; exit 1; } >&2; \
		echo "make: no denort from Deno's server, and no DENORT_BIN: building a self-extracting file" >&2; \
		$(MAKE) --no-print-directory portable; \
	}

# No code cache: the program would keep it in /tmp, where others may put one for it to run.
compile: build/program/main.js ## build ./filed with deno compile; DENORT_BIN is the runtime, else Deno's server has it
	@[ -z "$$DENORT_BIN" ] || [ -f "$$DENORT_BIN" ] || { \
		echo "make: DENORT_BIN is no file: $$DENORT_BIN; name a denort $(DENO_VERSION), or nothing" >&2; exit 1; }
	$(DENO) compile --quiet $(OPTIONS) --no-prompt --no-code-cache --no-config --no-lock --no-npm --no-remote \
		--include build/program/worker.js --include build/program/man/filed.1 \
		--output build/filed build/program/main.js
	@build/filed --version 2>/dev/null | grep -qx 'filed $(VERSION)' || { \
		echo "make: what was compiled is not filed: DENORT_BIN has to be a denort $(DENO_VERSION)" >&2; exit 1; }
	@mv build/filed filed

portable: build/program/main.js build/portable/main.js $(PACKING) $(RUNTIME) ## build ./filed as a self-extracting file, without denort; ARCH=arm64: build/arm64/filed
	@mkdir -p $(dir $(PORTABLE)) && cp -R build/program/worker.js build/program/man build/portable
	@contrib/portable/pack $(RUNTIME) build/portable $(VERSION) "$$(cat build/commit)" "$(OPTIONS)" $(PORTABLE)
	@ls -l $(PORTABLE)

build/runtime/%/deno:
	@mkdir -p $(@D)
	@contrib/npm $(@D)/npm pack --pack-destination $(@D) @deno/linux-$(NPM_ARCH_$*)-glibc@$(DENO_VERSION)
	@tar -xzf $(@D)/*.tgz -C $(@D) --strip-components=1 package/deno && rm $(@D)/*.tgz && touch $@

# What it is made of are files of other rules, so it is made each time.
ifneq ($(ARCH),$(OWN_ARCH))
.PHONY: $(PORTABLE)
$(PORTABLE): portable
endif

build/program/main.js: $(DENO) $(SOURCES) $(MAN_PAGES) build/commit
	@rm -rf $(@D) && mkdir -p $(@D)/man && cp man/filed.1 $(@D)/man
	@$(BUNDLE) --output $(@D)/worker.js src/worker/worker.ts
	@$(BUNDLE) --output $@ main.ts
	@sed -i "s/@COMMIT@/$$(cat build/commit)/" $@

build/portable/main.js: $(DENO) $(SOURCES) $(PACKING) build/commit
	@rm -rf $(@D) && mkdir -p $(@D)
	@$(BUNDLE) --output $(@D)/publish.js contrib/portable/publish.ts
	@$(BUNDLE) --output $@ contrib/portable/start.ts
	@sed -i "s/@COMMIT@/$$(cat build/commit)/" $@

.PHONY: .always
build/commit: .always # is newer than what was built only if the commit is another one
	@mkdir -p build && contrib/commit >$@.new && if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

# Installing: PREFIX, DESTDIR and the folders above say where.
INSTALLED = $(BINDIR)/filed $(MANDIR)/man1/filed.1 $(BASHDIR)/filed $(ZSHDIR)/_filed $(FISHDIR)/filed.fish \
	$(UNITDIR)/filed@.service

install: $(FILED) $(MAN_PAGES) ## install filed, its manual, completions and systemd unit below PREFIX (/usr/local)
	install -D -m 755 $(FILED) $(DESTDIR)$(BINDIR)/filed
	install -D -m 644 man/filed.1 $(DESTDIR)$(MANDIR)/man1/filed.1
	install -D -m 644 contrib/completions/filed.bash $(DESTDIR)$(BASHDIR)/filed
	install -D -m 644 contrib/completions/_filed $(DESTDIR)$(ZSHDIR)/_filed
	install -D -m 644 contrib/completions/filed.fish $(DESTDIR)$(FISHDIR)/filed.fish
	install -d $(DESTDIR)$(UNITDIR)
	sed 's,@BINDIR@,$(BINDIR),' contrib/filed@.service.in >$(DESTDIR)$(UNITDIR)/filed@.service

uninstall: ## remove what install has put there
	rm -f $(addprefix $(DESTDIR),$(INSTALLED))

deb: $(PACKAGED) $(MAN_PAGES) ## build filed_VERSION_ARCH.deb, in the folder DEBDIR (here); ARCH=arm64: for those machines
	@rm -rf build/deb
	@$(MAKE) --no-print-directory -o $(PACKAGED) install FILED=$(PACKAGED) \
		DESTDIR=build/deb PREFIX=/usr ZSHDIR=/usr/share/zsh/vendor-completions
	@contrib/deb/pack build/deb $(VERSION) $(ARCH) $(DEBDIR)

$(TOOLS)/%/deno:
	@echo "make: installing Deno $(DENO_VERSION) from npm into $(TOOLS)/"
	@contrib/npm $(TOOLS)/npm install --prefix $(TOOLS) --ignore-scripts deno@$(DENO_VERSION)
	@test -x $@ && touch $@

# Debian's packages, where they are missing: root installs them, others are told.
.PHONY: .fuse .bench-tools
.fuse: # root mounts by itself
	@[ "$$(id -u)" -eq 0 ] || contrib/need fusermount3:fuse3
.bench-tools: # other queues are left out where they are missing
	@[ "$$(id -u)" -ne 0 ] || contrib/need nq:nq tsp:task-spooler fio:fio
	@contrib/need bindfs:bindfs cc:gcc
