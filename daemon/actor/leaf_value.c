/*
 * leaf_value -- the body of an answer as others see it: its text and its JSON, for ${id}, for
 * conditions and pointers. One that went to a file is read back for that, up to VALUE_BYTES.
 */
#include "actor/leaf_fetch_state.h"
#include "job/bodypiece.h"

#include <string.h>

#define VALUE_BYTES (1u << 20)

/* Whether anybody looks into it, other than cutting it into items. */
static bool is_looked_at(const struct fetch *f)
{
	const struct task *t = f->leaf.task;
	return line_needs_doc(t) || t->node->is_read || (t->wants_value && !t->wants_text);
}

bool fetch_reads_back(const struct fetch *f)
{
	const struct host_done *d = f->done;
	return d != NULL && d->body_file != 0 && d->body_size <= VALUE_BYTES && is_looked_at(f);
}

static struct bodypiece *piece_of(const struct fetch *f)
{
	struct leaf_port *port = &f->leaf.task->env->port;
	struct store_body row = {.id = f->done->body_file, .size = f->done->body_size};
	memcpy(row.sha256, f->done->sha256, sizeof(row.sha256));
	return port->body(port->ctx, &row, (size_t)row.size);
}

int fetch_read_back(act_self *self, void *frame)
{
	struct fetch *f = frame;
	struct leaf_port *port = &f->leaf.task->env->port;
	CO_BEGIN(&f->co1);
	f->reading = piece_of(f);
	while (f->reading != NULL) {
		CO_AWAIT(&f->co1, f->rc, port->piece(self, port->ctx, f->reading));
		if (f->rc == ACT_ECANCELED)
			return ACT_OK;
		if (f->rc == ACT_OK)
			break;
		bodypiece_free(f->reading); /* the workers are busy */
		f->reading = NULL;
		CO_AWAIT(&f->co1, f->rc, act_sleep(self, 100 * NS_PER_MS));
		if (f->rc != ACT_OK)
			return ACT_OK;
		f->reading = piece_of(f);
	}
	f->piece = f->reading;
	CO_END(&f->co1);
}

struct slice fetch_text(const struct fetch *f)
{
	const struct host_done *d = f->done;
	if (d == NULL || !d->has_head)
		return (struct slice){NULL, 0};
	if (d->body_file == 0)
		return (struct slice){d->body.p != NULL ? d->body.p : "", d->body.n};
	if (f->piece == NULL || f->piece->result != ERR_OK || f->piece->n < d->body_size)
		return (struct slice){NULL, 0};
	return (struct slice){f->piece->data, f->piece->n};
}

json_t *fetch_json(const struct fetch *f)
{
	struct slice text = fetch_text(f);
	if (text.n == 0 || text.n > VALUE_BYTES || !is_looked_at(f))
		return NULL;
	return json_loadb(text.p, text.n, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
}
