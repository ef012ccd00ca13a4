# Benchmarks: each prints a table and writes build/bench/NAME.json.
BENCH_BIN := $(patsubst bench/%.c,$(BUILD)/bench-bin/%,$(wildcard bench/*.c)) $(BUILD)/bench-bin/actors
$(BUILD)/bench-bin/%: $(BUILD)/obj/bench/%.o $(call floor_libs,client $(below_daemon))
	@mkdir -p $(@D)
	$(Q)$(call link,$@,$^,-lnng)
$(BUILD)/bench-bin/actors: $(call obj,$(wildcard bench/actors/*.c)) $(call floor_libs,edge run model proto base)
	@mkdir -p $(@D)
	$(Q)$(call link,$@,$^,)
$(BUILD)/obj/bench/actors/%.o: CPPFLAGS += -Ibench/actors

.PHONY: bench bench-deps bench-actors bench-budget bench-%
bench-deps:
	$(Q)sh config/deps.sh --bench
bench: bench-deps all $(BENCH_BIN) ## all benchmarks against their peers, as ratios in one run
	$(Q)export MUSTER_BUILD=$(abspath $(BUILD)); set -e; for b in $(sort $(wildcard bench/*.py)); do \
	  case $$b in */table.py|*/peak.py) ;; *) echo "== $$b"; python3 $$b;; esac; done
bench-actors: bench-deps $(BUILD)/bench-bin/actors ## the actor benchmarks only
	$(Q)MUSTER_BUILD=$(abspath $(BUILD)) python3 bench/actors.py
bench-budget: bench-deps all $(BUILD)/bench-bin/exchange_only ## where the CPU of one fetch goes, line by line
	$(Q)MUSTER_BUILD=$(abspath $(BUILD)) python3 bench/budget.py
