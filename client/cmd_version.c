/*
 * cmd_version -- the version of this command.
 */
#include "client/ask.h"
#include "client/command.h"

int command_version(const struct args *a)
{
	struct bytes text = {.limit = 0};
	(void)a;
	bytes_add_str(&text, "muster " MUSTER_VERSION "\n");
	enum status s = ask_print(&text);
	bytes_fini(&text);
	return (int)s;
}
