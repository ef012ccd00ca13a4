# Benchmarks: each prints a table and writes build/bench/NAME.json.
BENCH_BIN := $(patsubst bench/%.c,$(BUILD)/bench-bin/%,$(wildcard bench/*.c))
$(BUILD)/bench-bin/%: $(BUILD)/obj/bench/%.o $(call floor_libs,$(below_daemon)) $(call floor_libs,client)
	@mkdir -p $(@D)
	$(Q)$(call link,$@,$^,-lnng)

.PHONY: bench bench-deps
bench-deps:
	$(Q)sh config/deps.sh --bench
bench: bench-deps all $(BENCH_BIN) ## all benchmarks against their peers, as ratios in one run
	$(Q)export MUSTER_BUILD=$(abspath $(BUILD)); set -e; for b in $(sort $(wildcard bench/*.py)); do \
	  case $$b in */table.py) ;; *) echo "== $$b"; python3 $$b;; esac; done
