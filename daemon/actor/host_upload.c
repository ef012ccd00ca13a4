/*
 * host_upload -- the body of a request that lies in files: workers read it piece by piece, the
 * connection takes it at its own pace.
 */
#include "actor/host_state.h"
#include "edge/uploads.h"

#include <stdlib.h>
#include <string.h>

#define PIECE	     (256u << 10)
#define SLICES_PER_S 10

void host_upload_free(void *upload)
{
	struct host_upload *u = upload;
	if (u == NULL)
		return;
	uploadread_free(u->read);
	free(u->piece);
	free(u);
}

/* At max_rate the next bytes are not due yet: the step sees to them in time. */
static bool is_early(struct host_one *c)
{
	struct host_upload *u = c->upload;
	u->is_early = c->call->max_rate_bytes > 0 && act_shard_now_ns(c->host->shard) < u->due_ns;
	if (u->is_early)
		host_wake(c);
	return u->is_early;
}

/* Of n bytes so many as may go now. */
static size_t paced(struct host_one *c, size_t n)
{
	struct host_upload *u = c->upload;
	int64_t now = act_shard_now_ns(c->host->shard), rate = c->call->max_rate_bytes;
	if (rate <= 0)
		return n;
	size_t slice = (size_t)(rate / SLICES_PER_S > 0 ? rate / SLICES_PER_S : 1);
	n = n < slice ? n : slice;
	u->due_ns = (u->due_ns > now ? u->due_ns : now) +
		    (int64_t)((double)n * (double)NS_PER_S / (double)rate);
	return n;
}

/* In a callback of the exchange. */
static enum err pull(void *ctx, char *buf, size_t cap, size_t *ret_n)
{
	struct host_one *c = ctx;
	struct host_upload *u = c->upload;
	if (u->is_reading)
		return ERR_AGAIN;
	if (u->result != ERR_OK)
		return u->result;
	if (is_early(c))
		return ERR_AGAIN;
	if (u->taken < u->n) {
		size_t n = u->n - u->taken < cap ? u->n - u->taken : cap;
		n = paced(c, n);
		memcpy(buf, u->piece + u->taken, n);
		u->taken += n;
		*ret_n = n;
		return ERR_OK;
	}
	if (u->is_end)
		return ERR_END;
	u->is_wanted = true;
	host_wake(c);
	return ERR_AGAIN;
}

enum err host_upload_begin(struct host_one *c)
{
	if (c->call->upload == NULL)
		return ERR_OK;
	struct host_upload *u = calloc(1, sizeof(*u));
	if (u == NULL)
		return ERR_NOMEM;
	u->piece = malloc(PIECE);
	if (u->piece == NULL) {
		free(u);
		return ERR_NOMEM;
	}
	u->read = c->call->upload;
	c->call->upload = NULL;
	c->upload = u;
	c->call->req.body = (struct xbody){.kind = XBODY_PULL,
					   .size = (int64_t)uploadread_size(u->read),
					   .pull = pull,
					   .pull_ctx = c,
					   .expect_continue = c->call->req.body.expect_continue};
	return ERR_OK;
}

/* On a worker. */
static int read_piece(void *arg)
{
	struct host_upload *u = arg;
	u->taken = 0;
	u->result = uploadread_next(u->read, u->piece, PIECE, &u->n);
	u->is_end = u->result == ERR_OK && u->n == 0;
	return ACT_OK;
}

static void go_on_in_time(act_self *self, struct host_one *c)
{
	struct host_upload *u = c->upload;
	if (act_now_ns(self) < u->due_ns) {
		act_timer_set_at(self, &c->timer, u->due_ns);
		return;
	}
	u->is_early = false;
	exchange_body_ready(c->host->hosts->opts.exchange, c->id);
}

void host_upload_step(act_self *self, struct host_one *c)
{
	struct host_upload *u = c->upload;
	if (u == NULL || u->is_reading || c->has_ended)
		return;
	if (u->is_early)
		go_on_in_time(self, c);
	if (!u->is_wanted)
		return;
	struct act_work w = {.fn = read_piece,
			     .arg = u,
			     .dtor = host_upload_free,
			     .cls = c->host->hosts->opts.body_class};
	if (act_offload_signal(self, &w, (uint64_t)(uintptr_t)c) == ACT_OK)
		u->is_reading = true;
	else /* a full line is tried again */
		act_timer_set(self, &c->timer, 10 * NS_PER_MS);
}

void host_upload_read(struct host_one *c)
{
	c->upload->is_reading = c->upload->is_wanted = false;
	if (!c->has_ended)
		exchange_body_ready(c->host->hosts->opts.exchange, c->id);
}
