# Man pages and completions, made from the tables of the command line and from --help.
MANUAL      := $(BUILD)/tool/manual
MAN_PAGES   := $(addprefix $(BUILD)/man/,muster.1.gz musterd.8.gz musterd-gateway.8.gz)
COMPLETIONS := $(addprefix $(BUILD)/completions/,muster.bash _muster muster.fish)

$(MANUAL): $(call obj,$(addprefix tests/tool/,manual.c man.c completion.c)) $(call floor_libs,proto base)
	@mkdir -p $(@D)
	$(Q)$(call link,$@,$^,)
$(call obj,tests/tool/manual.c tests/tool/man.c tests/tool/completion.c): CPPFLAGS += -Itests/tool

man_of_musterd         := HTTP fetching for every program of this machine, under limits they share
man_of_musterd-gateway := lets musterd be controlled from other machines
$(BUILD)/man/muster.1.gz: $(MANUAL)
	@mkdir -p $(@D)
	$(Q)$(MANUAL) muster >$(@:.gz=) && gzip -9nf $(@:.gz=)
$(BUILD)/man/%.8.gz: $(BUILD)/% $(MANUAL)
	@mkdir -p $(@D)
	$(Q)$(BUILD)/$* --help | $(MANUAL) $* "$(man_of_$*)" >$(@:.gz=) && gzip -9nf $(@:.gz=)

$(BUILD)/completions/muster.bash: SHELL_NAME := bash
$(BUILD)/completions/_muster: SHELL_NAME := zsh
$(BUILD)/completions/muster.fish: SHELL_NAME := fish
$(COMPLETIONS): $(MANUAL)
	@mkdir -p $(@D)
	$(Q)$(MANUAL) $(SHELL_NAME) >$@.new && mv $@.new $@

.PHONY: man
man: $(MAN_PAGES) $(COMPLETIONS) ## man pages and completions, in build/man and build/completions
