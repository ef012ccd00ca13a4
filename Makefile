# muster: `make help` lists the targets.
.DEFAULT_GOAL := all

BUILD_ROOT ?= build
V          ?=
BUILD      ?= $(BUILD_ROOT)$(if $(V),/$(V))
CC         ?= gcc
PREFIX     ?= /usr/local
DESTDIR    ?=
VERSION    := $(shell cat config/VERSION)

PKGS       := libevent libevent_openssl libevent_pthreads jansson sqlite3 openssl zlib \
              libbrotlidec libzstd libcares libidn2 libpsl liburiparser libsystemd
WARN       := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wmissing-prototypes -Werror
CPPFLAGS   += -Idaemon -I. -D_GNU_SOURCE -DMUSTER_VERSION='"$(VERSION)"'
CFLAGS     ?= -O2 -g
CFLAGS     += -std=gnu11 -fno-strict-aliasing -fno-omit-frame-pointer -fstack-protector-strong
LDFLAGS    += -Wl,-z,relro,-z,now

SAN_asan   := -fsanitize=address,undefined -fno-sanitize-recover=undefined -DDEBUG_CHECKS -DFAULT_POINTS
SAN_ubsan  := -fsanitize=undefined -fno-sanitize-recover=undefined -DDEBUG_CHECKS -DFAULT_POINTS
SAN_tsan   := -fsanitize=thread -DDEBUG_CHECKS -DFAULT_POINTS
SAN_debug  := -O0 -DDEBUG_CHECKS -DFAULT_POINTS
SAN_cover  := -O0 --coverage
SAN_fuzz   := -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined
CFLAGS     += $(SAN_$(V))
LDFLAGS    += $(filter -fsanitize% --coverage,$(SAN_$(V)))

# The targets that need nothing of the system must work before anything is installed.
SETUP_GOALS := help clean deps fmt
ifneq ($(filter-out $(SETUP_GOALS),$(or $(MAKECMDGOALS),all)),)
include config/build.mk
endif

.PHONY: help deps
help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(firstword $(MAKEFILE_LIST)) config/build.mk config/*.inc.mk | \
	  sed -E 's/^([a-z-]+):.*## (.*)/\1|\2/' | awk -F'|' '{printf "  make %-12s %s\n", $$1, $$2}'
	@echo
	@echo '  V=asan|tsan|ubsan|debug with build, test, check, sim, e2e: instrumented, in build/V'
	@echo '  NO_INSTALL=1: check for what is missing, install nothing'

deps: ## install what is missing (Debian packages; root or sudo), saying what and why
	@sh config/deps.sh

.PHONY: clean fmt
clean: ## remove everything built
	rm -rf $(BUILD_ROOT)
fmt: ## lay out all C sources with clang-format
	git ls-files '*.c' '*.h' | xargs clang-format -i
