/*
 * config_fields -- what config.c and config_read.c share.
 */
#pragma once

#include "model/config.h"
#include "proto/fields.h"

enum config_reload { CONFIG_LIVE, CONFIG_START };

/* One row of config.def. */
struct config_row {
	const char *section;
	struct field field;  /* over struct config */
	const char *initial; /* the default, as one would write it */
	enum config_reload reload;
};

extern const struct config_row config_rows[];
extern const size_t config_n_rows;

/* names of log levels, for FIELD_ENUM */
extern const struct field_name config_levels[];
