# filed: see `make help`.
DENO_VERSION := 2.9.6
MOUNTPOINT ?= /tmp/filed-jobs

# A deno of the right version on PATH serves; else the one that npm brings into the tree.
TOOLS := .deno
DENO := $(shell deno --version 2>/dev/null | grep -q '^deno $(DENO_VERSION) ' && command -v deno)
ifeq ($(DENO),)
ARCH := $(if $(filter aarch64 arm64,$(shell uname -m)),arm64,x64)
DENO := $(TOOLS)/node_modules/@deno/linux-$(ARCH)-glibc/deno
export DENO_DIR := $(CURDIR)/$(TOOLS)/cache
endif
export DENO_NO_UPDATE_CHECK := 1
export DENO_NO_PROMPT := 1

# Deno reads nothing under /proc and /sys with less, and the permission for FFI, which the kernel's protocol needs,
# reaches all of libc anyway.
PERMISSIONS := --allow-all
MAN_PAGES := man/filed.1

.PHONY: help run test check fmt man clean

help: ## list the targets
	@sed -n 's/^\([a-z][a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

run: $(DENO) .fuse ## mount the queue at MOUNTPOINT (default /tmp/filed-jobs) and run jobs; Ctrl-C ends it
	@exec $(DENO) run $(PERMISSIONS) main.ts $(ARGS) $(MOUNTPOINT)

test: $(DENO) .fuse .test-tools check ## run every check and test
	$(DENO) test $(PERMISSIONS)

check: $(DENO) ## check format, lint and types
	$(DENO) fmt --check
	$(DENO) lint
	$(DENO) check main.ts src tests

fmt: $(DENO) ## format the code
	$(DENO) fmt

man: $(MAN_PAGES) ## build the manual page (needs scdoc)

man/%: man/%.scd
	scdoc < $< | awk -f man/tidy.awk > $@

clean: ## remove what make made, the tools included
	rm -rf $(TOOLS) $(MAN_PAGES)

$(TOOLS)/%/deno:
	@echo "make: installing Deno $(DENO_VERSION) from npm into $(TOOLS)/"
	@npm install --prefix $(TOOLS) --no-audit --no-fund --ignore-scripts --loglevel=error deno@$(DENO_VERSION)
	@test -x $@ && touch $@

# Debian's packages, where they are missing: root installs them, others are told.
.PHONY: .fuse .test-tools
.fuse: # root mounts by itself
	@[ "$$(id -u)" -eq 0 ] || contrib/need fusermount3:fuse3
.test-tools:
	@contrib/need fusermount3:fuse3 scdoc:scdoc mandoc:mandoc cc:gcc setfattr:attr
