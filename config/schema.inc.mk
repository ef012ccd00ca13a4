# proto/job.schema.json is made from the tables that job files are read by; a unit test compares.
$(BUILD)/tool/job_schema: $(BUILD)/obj/tests/tool/job_schema.o $(call floor_libs,$(below_job))
	@mkdir -p $(@D)
	$(Q)$(call link,$@,$^,)

.PHONY: schema
schema: $(BUILD)/tool/job_schema ## write proto/job.schema.json anew after a change of a table
	$(Q)$< > proto/job.schema.json
