# What needs a compiler: included by the Makefile for every goal but help, deps, clean and fmt.

# Dependencies first: an idempotent step, and no rule below can run before it.
DEPS_STAMP := $(BUILD_ROOT)/.deps
ifneq ($(shell sh config/deps.sh --stamp $(DEPS_STAMP) >&2 && echo ok),ok)
$(error the dependencies are not complete: see the lines above)
endif

CPPFLAGS += $(filter-out -I/usr/include,$(shell pkg-config --cflags $(PKGS)))
LIBS     := $(shell pkg-config --libs $(PKGS)) -pthread -lm
CHECK_LIBS := $(shell pkg-config --libs check)

# Floors, lowest first. A floor may include only itself and what stands before it.
FLOORS   := base proto model run edge job actor
src_base  := $(wildcard daemon/base/*.c)
src_proto := $(wildcard proto/*.c)
src_model := $(wildcard daemon/model/*.c)
src_run   := $(wildcard daemon/run/*.c)
src_edge  := $(wildcard daemon/edge/*.c)
src_job   := $(wildcard daemon/job/*.c daemon/job/*/*.c)
src_actor := $(wildcard daemon/actor/*.c)
src_daemon := $(filter-out daemon/main.c,$(wildcard daemon/*.c))
src_client := $(filter-out client/main.c,$(wildcard client/*.c client/*/*.c))

obj = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
lib = $(BUILD)/lib$(1).a
floor_libs = $(foreach f,$(1),$(if $(src_$(f)),$(call lib,$(f))))

define floor_rule
$(call lib,$(1)): $(call obj,$(src_$(1)))
	@rm -f $$@
	$$(Q)ar rcs $$@ $$^
endef
$(foreach f,$(FLOORS) daemon client,$(eval $(call floor_rule,$(f))))

Q := $(if $(VERBOSE),,@)
$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC $<"
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(WARN) $(EXTRA_CFLAGS) -MMD -MP -c -o $@ $<

# link OUT OBJECTS+LIBS EXTRA
link = $(CC) $(CFLAGS) $(LDFLAGS) -o $(1) -Wl,--start-group $(2) -Wl,--end-group $(LIBS) $(3)

PROGRAMS := $(if $(wildcard daemon/main.c),$(BUILD)/musterd) $(if $(wildcard client/main.c),$(BUILD)/muster) \
            $(if $(wildcard daemon/gateway/main.c),$(BUILD)/musterd-gateway) \
            $(if $(wildcard daemon/runner/main.c),$(BUILD)/musterd-runner)

.PHONY: all
all: $(PROGRAMS) ## build/musterd, build/muster and the small helpers

DAEMON_LIBS = $(call floor_libs,daemon actor job edge run model proto base)
$(BUILD)/musterd: $(call obj,daemon/main.c) $(DAEMON_LIBS)
	@echo "  LD $@"
	$(Q)$(call link,$@,$^,)
CLIENT_LIBS = $(call floor_libs,client proto base)
$(BUILD)/muster: $(call obj,client/main.c) $(CLIENT_LIBS)
	@echo "  LD $@"
	$(Q)$(call link,$@,$^,-lnng)
src_gateway := $(wildcard daemon/gateway/*.c)
$(BUILD)/musterd-gateway: $(call obj,$(src_gateway))
	@echo "  LD $@"
	$(Q)$(call link,$@,$^,-lnng)
src_runner := $(wildcard daemon/runner/*.c)
$(BUILD)/musterd-runner: $(call obj,$(src_runner)) $(call floor_libs,proto base)
	@echo "  LD $@"
	$(Q)$(call link,$@,$^,)

# Unit tests: tests/unit/FLOOR/test_NAME.c, one Check program each, linked with its floor and below.
UNIT_SRC  := $(wildcard tests/unit/*/test_*.c)
UNIT_BIN  := $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(UNIT_SRC))
below_base  := base
below_proto := proto base
below_model := model proto base
below_run   := edge run model proto base
below_edge  := edge run model proto base
below_job   := job edge run model proto base
below_actor := actor job edge run model proto base
below_daemon := daemon actor job edge run model proto base
below_client := client edge run model proto base
src_testkit := $(wildcard tests/kit/*.c)
$(eval $(if $(src_testkit),$(call floor_rule,testkit)))
KIT_LIB := $(if $(src_testkit),$(call lib,testkit))
define unit_rule
$(BUILD)/tests/$(1)/test_%: $(BUILD)/obj/tests/unit/$(1)/test_%.o $(KIT_LIB) $(call floor_libs,$(below_$(1)))
	@mkdir -p $$(@D)
	$$(Q)$$(call link,$$@,$$^,$$(CHECK_LIBS) -lnng)
endef
$(foreach f,$(FLOORS) client,$(eval $(call unit_rule,$(f))))

# Simulations: tests/sim/NAME_schedules.c are programs; the other files there belong to them.
SIM_SRC := $(wildcard tests/sim/*_schedules.c)
SIM_BIN := $(patsubst tests/sim/%.c,$(BUILD)/tests/sim/%,$(SIM_SRC))
SIM_KIT := $(call obj,$(filter-out $(SIM_SRC),$(wildcard tests/sim/*.c)))
$(BUILD)/tests/sim/%: $(BUILD)/obj/tests/sim/%.o $(SIM_KIT) $(KIT_LIB) $(call floor_libs,$(below_daemon))
	@mkdir -p $(@D)
	$(Q)$(call link,$@,$^,$(CHECK_LIBS))
.SECONDARY:

# The end-to-end suite is driven by a Check program, so that every case is a counted test.
E2E_RUNNER := $(BUILD)/tests/e2e/runner
$(E2E_RUNNER): $(BUILD)/obj/tests/e2e/runner.o
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(CHECK_LIBS) -pthread

SCHEDULES ?= 0
.PHONY: test check sim e2e build-tests
build-tests: all $(UNIT_BIN) $(SIM_BIN) $(E2E_RUNNER)
test: build-tests ## install, build, and pass every test (unit, simulation, end to end)
	$(Q)$(MAKE) --no-print-directory check sim e2e
check: $(UNIT_BIN) ## unit tests only
	$(Q)sh tests/run-programs.sh $(UNIT_BIN)
sim: $(SIM_BIN) ## seeded simulations of runtime and daemon (SCHEDULES=N for more)
	$(Q)SIM_SCHEDULES=$(SCHEDULES) sh tests/run-programs.sh $(SIM_BIN)
e2e: all $(E2E_RUNNER) ## the real daemon, the real command, real servers (CASES=pattern for some)
	$(Q)V=$(V) MUSTER_BUILD=$(abspath $(BUILD)) $(E2E_RUNNER) $(CASES)
.PHONY: reliability
reliability: all $(E2E_RUNNER) ## killed, torn, damaged, starved: the long form, half an hour (CASES=pattern)
	$(Q)RELIABILITY=full V=$(V) MUSTER_BUILD=$(abspath $(BUILD)) $(E2E_RUNNER) $(CASES)

.PHONY: run lint
run: all ## start a private daemon and fetch real files through it (URLS=FILE: those instead)
	$(Q)MUSTER_BUILD=$(abspath $(BUILD)) sh examples/run.sh $(URLS)
lint: ## floors, layout, function and file sizes, forbidden calls
	$(Q)python3 tests/lint.py

include $(wildcard config/*.inc.mk)
include $(shell test -d $(BUILD)/obj && find $(BUILD)/obj -name '*.d')
