/*
 * host_upload -- the body of a request that lies in files: workers read it piece by piece, the
 * connection takes it at its own pace.
 */
#include "actor/host_state.h"
#include "edge/uploads.h"

#include <stdlib.h>
#include <string.h>

#define PIECE (256u << 10)

void host_upload_free(void *upload)
{
	struct host_upload *u = upload;
	if (u == NULL)
		return;
	uploadread_free(u->read);
	free(u->piece);
	free(u);
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
	if (u->taken < u->n) {
		size_t n = u->n - u->taken < cap ? u->n - u->taken : cap;
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

void host_upload_step(act_self *self, struct host_one *c)
{
	struct host_upload *u = c->upload;
	if (u == NULL || !u->is_wanted || u->is_reading || c->has_ended)
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
