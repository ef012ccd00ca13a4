# make install, make uninstall. Everything goes below DESTDIR; a configuration that is there already
# stays as it is.
SYSCONFDIR ?= /etc
ROOT_DIR    = $(DESTDIR)$(PREFIX)
UNIT_DIR    = $(ROOT_DIR)/lib/systemd/system
UNITS      := musterd.service musterd.socket musterd-gateway.service musterd-runner.service musterd-runner.socket

# libmuster: one object that shows muster_* and nothing else.
CLIENT_LIB  := $(BUILD)/libmuster.a
CLIENT_OBJ  := $(call obj,$(addprefix client/,muster.c wire_unix.c remote_nng.c slurp.c))
$(CLIENT_LIB): $(CLIENT_OBJ) $(call floor_libs,proto base)
	@mkdir -p $(BUILD)/tool
	$(Q)$(LD) -r -o $(BUILD)/tool/libmuster.o $(CLIENT_OBJ) --start-group $(call floor_libs,proto base) --end-group
	$(Q)objcopy --wildcard --keep-global-symbol='muster_*' $(BUILD)/tool/libmuster.o
	@rm -f $@
	$(Q)ar rcs $@ $(BUILD)/tool/libmuster.o
all: $(CLIENT_LIB)

.PHONY: install uninstall
install: all man install-actor ## daemon, command, libraries, units, man pages, completions (PREFIX, DESTDIR)
	install -d $(ROOT_DIR)/bin $(ROOT_DIR)/lib/pkgconfig $(ROOT_DIR)/include $(ROOT_DIR)/lib/sysusers.d $(UNIT_DIR)
	install -m 755 $(PROGRAMS) $(ROOT_DIR)/bin/
	install -m 644 $(CLIENT_LIB) $(ROOT_DIR)/lib/
	install -m 644 client/muster.h $(ROOT_DIR)/include/muster.h
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' config/muster.pc.in >$(ROOT_DIR)/lib/pkgconfig/muster.pc
	for u in $(UNITS); do sed -E 's|^ExecStart=/usr(/local)?/bin/|ExecStart=$(PREFIX)/bin/|' systemd/$$u >$(UNIT_DIR)/$$u || exit 1; done
	install -m 644 systemd/musterd.sysusers $(ROOT_DIR)/lib/sysusers.d/musterd.conf
	install -d $(DESTDIR)$(SYSCONFDIR)/musterd/conf.d
	test -e $(DESTDIR)$(SYSCONFDIR)/musterd/musterd.json || install -m 644 config/musterd.json $(DESTDIR)$(SYSCONFDIR)/musterd/
	install -d $(ROOT_DIR)/share/man/man1 $(ROOT_DIR)/share/man/man8
	install -m 644 $(filter %.1.gz,$(MAN_PAGES)) $(ROOT_DIR)/share/man/man1/
	install -m 644 $(filter %.8.gz,$(MAN_PAGES)) $(ROOT_DIR)/share/man/man8/
	install -d $(addprefix $(ROOT_DIR)/share/,bash-completion/completions zsh/site-functions fish/vendor_completions.d)
	install -m 644 $(BUILD)/completions/muster.bash $(ROOT_DIR)/share/bash-completion/completions/muster
	install -m 644 $(BUILD)/completions/_muster $(ROOT_DIR)/share/zsh/site-functions/_muster
	install -m 644 $(BUILD)/completions/muster.fish $(ROOT_DIR)/share/fish/vendor_completions.d/muster.fish

uninstall: ## what install put there; configuration, jobs and results stay
	rm -f $(addprefix $(ROOT_DIR)/bin/,$(notdir $(PROGRAMS))) $(ROOT_DIR)/include/muster.h
	rm -f $(addprefix $(ROOT_DIR)/lib/,libmuster.a libmuster-actor.a pkgconfig/muster.pc pkgconfig/muster-actor.pc sysusers.d/musterd.conf)
	rm -rf $(ROOT_DIR)/include/muster-actor
	rm -f $(addprefix $(UNIT_DIR)/,$(UNITS))
	rm -f $(ROOT_DIR)/share/man/man1/muster.1.gz $(addprefix $(ROOT_DIR)/share/man/man8/,musterd.8.gz musterd-gateway.8.gz)
	rm -f $(addprefix $(ROOT_DIR)/share/,bash-completion/completions/muster zsh/site-functions/_muster fish/vendor_completions.d/muster.fish)
