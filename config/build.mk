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
src_client := $(filter-out client/main.c,$(wildcard client/*.c client/*/*.c))

obj = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
lib = $(BUILD)/lib$(1).a
floor_libs = $(foreach f,$(1),$(if $(src_$(f)),$(call lib,$(f))))

define floor_rule
$(call lib,$(1)): $(call obj,$(src_$(1)))
	@rm -f $$@
	$$(Q)ar rcs $$@ $$^
endef
$(foreach f,$(FLOORS) client,$(eval $(call floor_rule,$(f))))

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

DAEMON_LIBS = $(call floor_libs,actor job edge run model proto base)
$(BUILD)/musterd: $(call obj,daemon/main.c) $(DAEMON_LIBS)
	@echo "  LD $@"
	$(Q)$(call link,$@,$^,)
CLIENT_LIBS = $(call floor_libs,client proto base)
$(BUILD)/muster: $(call obj,client/main.c) $(CLIENT_LIBS)
	@echo "  LD $@"
	$(Q)$(call link,$@,$^,-lnng)
src_gateway := $(wildcard daemon/gateway/*.c)
$(BUILD)/musterd-gateway: $(call obj,$(src_gateway)) $(call floor_libs,proto base)
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
below_run   := run base
below_edge  := edge run model proto base
below_job   := job edge run model proto base
below_actor := actor job edge run model proto base
below_client := client proto base
src_testkit := $(wildcard tests/kit/*.c)
$(eval $(if $(src_testkit),$(call floor_rule,testkit)))
define unit_rule
$(BUILD)/tests/$(1)/test_%: $(BUILD)/obj/tests/unit/$(1)/test_%.o $(call floor_libs,$(below_$(1))) $(if $(src_testkit),$(call lib,testkit))
	@mkdir -p $$(@D)
	$$(Q)$$(call link,$$@,$$^,$$(CHECK_LIBS) -lnng)
endef
$(foreach f,$(FLOORS) client,$(eval $(call unit_rule,$(f))))
.SECONDARY:

include $(wildcard config/*.inc.mk)
include $(shell test -d $(BUILD)/obj && find $(BUILD)/obj -name '*.d')
