#include "actor/leaf_explain.h"

#include "actor/leaf_exec_state.h"
#include "actor/leaf_fetch_state.h"
#include "job/mods.h"
#include "job/verb_line.h"

static void add_history(struct bytes *out, const struct result_attempt *h, uint32_t n)
{
	bytes_add_str(out, ",\"history\":[");
	for (uint32_t i = 0; i < n; i++) {
		bytes_add_str(out, i > 0 ? ",{" : "{");
		if (h[i].kind != KIND_NONE)
			bytes_printf(out, "\"kind\":\"%s\",", kind_name(h[i].kind));
		if (h[i].status != 0)
			bytes_printf(out, "\"status\":%d,", h[i].status);
		bytes_printf(out, "\"waited_ms\":%lld,\"took_ms\":%lld}", (long long)h[i].waited_ms,
			     (long long)h[i].took_ms);
	}
	bytes_add_byte(out, ']');
}

static void explain_fetch(const struct task *t, struct bytes *out)
{
	const struct fetch *f = (const void *)t->frame;
	if (f->leaf.task == NULL)
		return;
	bytes_printf(out, ",\"attempt\":%u", f->tries > 0 ? f->tries : 1);
	if (f->n_history > 0)
		add_history(out, f->history, f->n_history);
}

static void explain_exec(const struct task *t, struct bytes *out)
{
	const struct exec_frame *e = (const void *)t->frame;
	const struct exec *x = (const void *)e->leaf;
	if (x == NULL)
		return;
	bytes_printf(out, ",\"attempt\":%u", x->tries > 0 ? x->tries : 1);
	if (x->n_history > 0)
		add_history(out, x->history, x->n_history);
}

void leaf_explain(const struct task *t, struct bytes *out)
{
	uint32_t attempt = mods_attempt(t);
	if (t->node->verb == VERB_FETCH)
		explain_fetch(t, out);
	else if (t->node->verb == VERB_EXEC)
		explain_exec(t, out);
	else if (attempt > 0)
		bytes_printf(out, ",\"attempt\":%u", attempt);
}
