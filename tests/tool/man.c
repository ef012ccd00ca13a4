/*
 * man -- man pages in roff.
 */
#include "manual.h"

#include "proto/commands.h"

#include <string.h>

/* A dash is a minus, a line never begins with a request. */
static void add_text(struct bytes *out, const char *text, size_t n)
{
	bool starts_line = true;
	for (size_t i = 0; i < n; i++) {
		char c = text[i];
		if (starts_line && (c == '.' || c == '\''))
			bytes_add_str(out, "\\&");
		starts_line = c == '\n';
		if (c == '-')
			bytes_add_str(out, "\\-");
		else if (c == '\\')
			bytes_add_str(out, "\\e");
		else
			bytes_add_byte(out, c);
	}
}

static void add_str(struct bytes *out, const char *text)
{
	add_text(out, text, strlen(text));
}

static void add_title(struct bytes *out, const char *name, const char *section, const char *what)
{
	bytes_printf(out, ".TH %s %s \"\" \"muster " MUSTER_VERSION "\" \"muster\"\n.SH NAME\n",
		     name, section);
	add_str(out, name);
	bytes_add_str(out, " \\- ");
	add_str(out, what);
	bytes_add_byte(out, '\n');
}

static void add_verbatim(struct bytes *out, const char *text, size_t n)
{
	bytes_add_str(out, ".PP\n.nf\n");
	add_text(out, text, n);
	bytes_add_str(out, n > 0 && text[n - 1] == '\n' ? ".fi\n" : "\n.fi\n");
}

static void add_option(struct bytes *out, const struct option_row *o)
{
	bytes_add_str(out, ".TP\n");
	if (o->letter != 0)
		bytes_printf(out, "\\fB\\-%c\\fR, ", o->letter);
	bytes_add_str(out, "\\fB\\-\\-");
	add_str(out, o->name);
	bytes_add_str(out, "\\fR");
	if (o->arg[0] != '\0') {
		bytes_add_str(out, " \\fI");
		add_str(out, o->arg);
		bytes_add_str(out, "\\fR");
	}
	bytes_add_byte(out, '\n');
	add_str(out, o->doc);
	if (o->dflt[0] != '\0') {
		bytes_add_str(out, " (");
		add_str(out, o->dflt);
		bytes_add_byte(out, ')');
	}
	bytes_add_str(out, o->use == OPTION_MANY ? "; repeatable\n" : "\n");
}

static void add_options(struct bytes *out, uint64_t mask)
{
	for (unsigned i = 0; i < OPTION_COUNT; i++)
		if ((options[i].commands & mask) != 0)
			add_option(out, &options[i]);
}

static void add_command(struct bytes *out, unsigned id)
{
	const struct command *c = &commands[id];
	bytes_add_str(out, ".SS \"muster ");
	add_str(out, c->name);
	bytes_add_str(out, c->args[0] != '\0' ? " " : "");
	add_str(out, c->args);
	bytes_add_str(out, "\"\n");
	add_str(out, c->summary);
	bytes_add_str(out, ".\n");
	add_options(out, UINT64_C(1) << id);
	bytes_add_str(out, ".PP\nExamples:\n");
	add_verbatim(out, c->examples, strlen(c->examples));
}

void man_add_muster(struct bytes *out)
{
	add_title(out, "muster", "1",
		  "fetch over HTTP through musterd, under limits shared by all");
	bytes_add_str(out,
		      ".SH SYNOPSIS\n.B muster\n[\\fB\\-\\-socket\\fR \\fIADDR\\fR] "
		      "\\fICOMMAND\\fR ...\n.SH DESCRIPTION\nThe command of \\fBmusterd\\fR(8): it "
		      "submits jobs, follows them, and shows and steers what runs. Durations are "
		      "written 250ms 5s 2m 1h 1d, sizes 512 64k 16M 1G.\n.SH OPTIONS\nBefore the "
		      "command:\n");
	add_options(out, COMMANDS_GLOBAL);
	bytes_add_str(out, ".SH COMMANDS\n");
	for (unsigned i = 0; i < COMMAND_COUNT; i++)
		add_command(out, i);
	bytes_add_str(
		out,
		".SH EXIT STATUS\n.TP\n0\nall well\n.TP\n1\na task failed\n.TP\n2\nusage, or an "
		"invalid URL: nothing was submitted\n.TP\n3\nthe daemon was not reached, or a "
		"volatile job was lost\n.TP\n4\ncancelled by someone else\n.TP\n5\na deadline or "
		"\\-\\-wait expired\n.TP\n6\nthe submission was refused\n.PP\nSIGINT and SIGTERM "
		"cancel the job, wait for its end and end the command by that signal; a second one "
		"leaves at once.\n.SH ENVIRONMENT\n.TP\nMUSTER_SOCKET\nwhere the daemon is\n.TP\n"
		"http_proxy https_proxy all_proxy no_proxy SSL_CERT_FILE\nas elsewhere, resolved "
		"by "
		"this command\n.TP\nNO_COLOR\nno colours\n.SH FILES\n.TP\n"
		"/run/musterd/control.sock, $XDG_RUNTIME_DIR/musterd/control.sock\nlooked for in "
		"this order\n.SH SEE ALSO\n\\fBmusterd\\fR(8), \\fBmusterd\\-gateway\\fR(8)\n");
}

void man_add_daemon(struct bytes *out, const char *program, const char *what, struct slice help)
{
	add_title(out, program, "8", what);
	bytes_add_str(out, ".SH SYNOPSIS\n.B ");
	add_str(out, program);
	bytes_add_str(out, "\n[\\fIOPTIONS\\fR]\n.SH DESCRIPTION\n");
	add_verbatim(out, help.p, help.n);
	bytes_add_str(out, ".SH FILES\n.TP\n/etc/musterd/musterd.json, "
			   "/etc/musterd/conf.d/*.json\nthe configuration\n.TP\n"
			   "/run/musterd/control.sock, /run/musterd/events.sock\nthe sockets\n.TP\n"
			   "/var/lib/musterd\njobs and results\n.SH SEE ALSO\n\\fBmuster\\fR(1), "
			   "\\fBmusterd\\fR(8), \\fBmusterd\\-gateway\\fR(8)\n");
}
