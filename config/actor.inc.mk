# libmuster-actor: the runtime alone, for other C programs; docs/actors.md teaches it.
ACTOR_LIB  := $(BUILD)/libmuster-actor.a
ACTOR_SRC  := $(src_base) $(src_run) daemon/edge/loop_libevent.c daemon/edge/workers.c
# How it is done inside is nobody's business outside.
ACTOR_OWN  := $(addprefix daemon/run/,internal.h layout.h runq.h slab.h wheel.h)
ACTOR_HDRS := $(wildcard daemon/base/*.h) $(filter-out $(ACTOR_OWN),$(wildcard daemon/run/*.h)) \
              daemon/edge/loop_libevent.h daemon/edge/workers.h
ACTOR_DIR   = $(DESTDIR)$(PREFIX)

$(ACTOR_LIB): $(call obj,$(ACTOR_SRC))
	@rm -f $@
	$(Q)ar rcs $@ $^
all: $(ACTOR_LIB)

.PHONY: install-actor
install-actor: $(ACTOR_LIB)
	install -d $(ACTOR_DIR)/lib/pkgconfig $(addprefix $(ACTOR_DIR)/include/muster-actor/,base run edge)
	install -m 644 $(ACTOR_LIB) $(ACTOR_DIR)/lib/
	for h in $(ACTOR_HDRS); do install -m 644 $$h $(ACTOR_DIR)/include/muster-actor/$${h#daemon/} || exit 1; done
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' config/muster-actor.pc.in \
	  >$(ACTOR_DIR)/lib/pkgconfig/muster-actor.pc
