/*
 * say -- what the command tells people: on stderr, one line each, control characters escaped.
 */
#pragma once

#include <stdbool.h>

/* "muster: " and the text and a newline. */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Whether that descriptor is a terminal that takes colours (NO_COLOR, TERM=dumb say no). */
bool say_is_terminal(int fd);
bool say_has_colours(int fd);
