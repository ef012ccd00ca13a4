/*
 * manual -- what the generator of man pages and completions is made of: one function per output,
 * all of them from the tables of proto/commands.h or from the --help text of a program.
 */
#pragma once

#include "base/bytes.h"

void man_add_muster(struct bytes *out);
/* A page of section 8 around the --help text of a program. */
void man_add_daemon(struct bytes *out, const char *program, const char *what, struct slice help);
void completion_add_bash(struct bytes *out);
void completion_add_zsh(struct bytes *out);
void completion_add_fish(struct bytes *out);
