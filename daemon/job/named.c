#include "job/named.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *named_kind_text(enum named_kind k)
{
	static const char *const text[NAMED_KINDS] = {
		[NAMED_LOCK] = "lock",
		[NAMED_SEMAPHORE] = "semaphore",
		[NAMED_EVENT] = "event",
		[NAMED_QUEUE] = "queue",
	};
	return text[k];
}

static struct slice copy_text(char **at, struct slice text)
{
	struct slice copy = {*at, text.n};
	if (text.n > 0)
		memcpy(*at, text.p, text.n);
	*at += text.n;
	return copy;
}

struct named_ask *named_ask_new(enum named_op op, enum named_kind kind, struct slice name,
				struct slice session, struct slice value)
{
	struct named_ask *a = malloc(sizeof(*a) + name.n + session.n + value.n);
	if (a == NULL)
		return NULL;
	*a = (struct named_ask){.op = op, .kind = kind, .units = 1, .capacity = 1};
	char *at = a->text;
	a->name = copy_text(&at, name);
	a->session = copy_text(&at, session);
	a->value = copy_text(&at, value);
	return a;
}

void named_ask_free(void *ask)
{
	free(ask);
}

struct slice named_session(char buf[NAMED_SESSION_MAX], struct slice job, struct slice path)
{
	int w = snprintf(buf, NAMED_SESSION_MAX, "%.*s %.*s", (int)job.n, job.p, (int)path.n,
			 path.p);
	return (struct slice){buf, w < NAMED_SESSION_MAX ? (size_t)w : NAMED_SESSION_MAX - 1};
}

/* Without the `.wI` of an entry of `with`. */
static struct slice task_of(struct slice session)
{
	for (size_t i = session.n; i > 0; i--)
		if (session.p[i - 1] == '.' && i < session.n && session.p[i] == 'w')
			return (struct slice){session.p, i - 1};
		else if (session.p[i - 1] == '.')
			break;
	return session;
}

bool named_is_above(struct slice session, struct slice below)
{
	struct slice top = task_of(session);
	if (memchr(top.p, ' ', top.n) == NULL || below.n < top.n ||
	    memcmp(top.p, below.p, top.n) != 0)
		return false;
	return below.n == top.n || below.p[top.n] == '.';
}

struct slice named_key(char buf[NAMED_KEY_MAX], enum named_kind kind, uint32_t uid,
		       struct slice name)
{
	static const char letter[NAMED_KINDS + 1] = "lseq";
	int n = (int)(name.n < NAMED_NAME_MAX ? name.n : NAMED_NAME_MAX), w;
	if (n > 0 && name.p[0] == '/')
		w = snprintf(buf, NAMED_KEY_MAX, "%c%.*s", letter[kind], n, name.p);
	else
		w = snprintf(buf, NAMED_KEY_MAX, "%c%u:%.*s", letter[kind], uid, n, name.p);
	return (struct slice){buf, (size_t)w};
}

bool named_is_name(struct slice name)
{
	if (name.n < 1 || name.n > NAMED_NAME_MAX)
		return false;
	for (size_t i = 0; i < name.n; i++)
		if ((unsigned char)name.p[i] < 0x20 || name.p[i] == 0x7f)
			return false;
	return true;
}
