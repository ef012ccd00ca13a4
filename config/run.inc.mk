# The runtime is compiled for speed: no frame pointer, no stack protector (nothing from outside is
# ever copied to its stack). Its benchmark as well. Instrumented builds keep the flags of all others.
ifeq ($(V),)
$(BUILD)/obj/daemon/run/%.o $(BUILD)/obj/bench/actors/%.o: CFLAGS += -O3 -fomit-frame-pointer -fno-stack-protector
endif
