# Fuzzing (libFuzzer, clang) and coverage (gcov).
FUZZ_SRC     := $(wildcard tests/fuzz/fuzz_*.c)
FUZZ_BIN     := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz-bin/%,$(FUZZ_SRC))
FUZZ_SECONDS ?= 300
$(BUILD)/fuzz-bin/%: $(BUILD)/obj/tests/fuzz/%.o $(KIT_LIB) $(call floor_libs,$(below_daemon))
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -fsanitize=fuzzer,address,undefined -o $@ -Wl,--start-group $^ -Wl,--end-group $(LIBS) $(CHECK_LIBS)

.PHONY: fuzz fuzz-run cover
fuzz: ## libFuzzer over every parser, FUZZ_SECONDS each (300)
	$(Q)$(MAKE) --no-print-directory CC=clang V=fuzz BUILD=$(BUILD_ROOT)/fuzz fuzz-run
fuzz-run: $(FUZZ_BIN)
	$(Q)set -e; for f in $(FUZZ_BIN); do name=$${f##*/fuzz_}; echo "== fuzz $$name"; \
	  mkdir -p $(BUILD)/corpus/$$name tests/fuzz/corpus/$$name; \
	  $$f -max_total_time=$(FUZZ_SECONDS) -timeout=5 -rss_limit_mb=2048 -max_len=65536 -print_final_stats=1 $(FUZZ_FLAGS) \
	    -artifact_prefix=$(BUILD)/crash-$$name- $(BUILD)/corpus/$$name tests/fuzz/corpus/$$name >$(BUILD)/$$name.log 2>&1 \
	    || { tail -n 40 $(BUILD)/$$name.log; echo "fuzz $$name: the input is $(BUILD)/crash-$$name-*"; exit 1; }; \
	  tail -n 6 $(BUILD)/$$name.log; done
cover: ## line coverage of the unit tests and simulations, a figure per directory
	$(Q)$(MAKE) --no-print-directory V=cover BUILD=$(BUILD_ROOT)/cover check sim
	$(Q)sh tests/cover.sh $(BUILD_ROOT)/cover
