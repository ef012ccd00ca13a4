/*
 * manual -- writes man pages and completions on stdout:
 *
 *	manual muster
 *	musterd --help | manual musterd "what it is"
 *	manual bash|zsh|fish
 */
#include "manual.h"

#include <stdio.h>
#include <string.h>

static bool read_help(struct bytes *help)
{
	char buf[4096];
	size_t n;
	while ((n = fread(buf, 1, sizeof(buf), stdin)) > 0)
		if (bytes_add(help, buf, n) != ERR_OK)
			return false;
	return help->n > 0;
}

static int write_out(struct bytes *out)
{
	size_t n = fwrite(out->p, 1, out->n, stdout);
	int rc = n == out->n && n > 0 && fflush(stdout) == 0 ? 0 : 1;
	bytes_fini(out);
	return rc;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*add)(struct bytes *out);
	} row[] = {{"muster", man_add_muster},
		   {"bash", completion_add_bash},
		   {"zsh", completion_add_zsh},
		   {"fish", completion_add_fish}};
	struct bytes out = {.limit = 0}, help = {.limit = 0};
	if (argc == 3 && read_help(&help)) {
		man_add_daemon(&out, argv[1], argv[2], bytes_slice(&help));
		bytes_fini(&help);
		return write_out(&out);
	}
	for (size_t i = 0; argc == 2 && i < sizeof(row) / sizeof(row[0]); i++)
		if (strcmp(row[i].name, argv[1]) == 0) {
			row[i].add(&out);
			return write_out(&out);
		}
	fprintf(stderr, "manual muster|bash|zsh|fish, or PROGRAM WHAT < its help\n");
	return 2;
}
