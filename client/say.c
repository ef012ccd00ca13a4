/*
 * say -- see say.h. One write per line, so that lines of several programs do not mix.
 */
#include "client/say.h"

#include "base/bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void say(const char *fmt, ...)
{
	char text[4096];
	struct bytes line = {.limit = 0};
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	bytes_add_str(&line, "muster: ");
	for (const char *p = text; *p != '\0'; p++) {
		unsigned char c = (unsigned char)*p;
		if (c == '\n' || (c >= 0x20 && c != 0x7f))
			bytes_add_byte(&line, *p);
		else
			bytes_printf(&line, "\\x%02x", c);
	}
	bytes_add_byte(&line, '\n');
	ssize_t n = write(STDERR_FILENO, line.p, line.n);
	(void)n; /* there is nobody else to tell */
	bytes_fini(&line);
}

bool say_is_terminal(int fd)
{
	return isatty(fd) == 1;
}

bool say_has_colours(int fd)
{
	const char *term = getenv("TERM"), *no = getenv("NO_COLOR");
	return say_is_terminal(fd) && (no == NULL || no[0] == '\0') && term != NULL &&
	       strcmp(term, "dumb") != 0;
}
