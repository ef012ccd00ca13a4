# musterd-runner is small: the C library and nothing else. Its test runs the real one.
$(BUILD)/musterd-runner: LIBS :=
$(BUILD)/tests/edge/test_runner: | $(BUILD)/musterd-runner
