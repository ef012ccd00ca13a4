/*
 * host_body -- where a body goes: into one buffer, or, when it outgrows that or all buffers
 * together are too large, into a file by offloaded writes. While a write is under way no credit is
 * given, so that the server's window closes; what still comes in on credit given before gathers.
 */
#include "actor/host_state.h"

#include <stdlib.h>
#include <string.h>

#define RATE_SLICE_NS (NS_PER_S / 10)

static bool is_paced(const struct host_one *c)
{
	return c->call->max_rate_bytes > 0;
}

size_t host_body_credit(const struct host_one *c)
{
	size_t credit = HOST_BODY_MEMORY + 1; /* one more tells a full buffer from too much */
	if (!is_paced(c))
		return credit;
	int64_t slice = c->call->max_rate_bytes / (NS_PER_S / RATE_SLICE_NS);
	slice = slice < 1 ? 1 : slice;
	return slice < (int64_t)credit ? (size_t)slice : credit;
}

/* Whether all bodies in memory together leave no room for n more. */
static bool is_crowded(const struct hosts *h, size_t n)
{
	return h->body_bytes + n > HOST_BODIES_MEMORY;
}

static void keep_bytes(struct host_one *c, struct slice bytes)
{
	struct host_done *d = c->done;
	struct hosts *h = c->host->hosts;
	bool has_files = h->opts.bodies != NULL;
	if (has_files && (d->body.n + bytes.n > HOST_BODY_MEMORY || is_crowded(h, bytes.n)))
		c->wants_file = true;
	if (bytes_add_slice(&d->body, bytes) != ERR_OK)
		return; /* sticks in body.err, seen by the step */
	d->counted += bytes.n;
	h->body_bytes += bytes.n;
}

/* So many bytes more at max_rate: the credit for them is due that much later. */
static void pace(struct host_one *c, size_t n)
{
	int64_t now = act_shard_now_ns(c->host->shard);
	double took = (double)n * (double)NS_PER_S / (double)c->call->max_rate_bytes;
	c->due_ns = (c->due_ns > now ? c->due_ns : now) + (int64_t)took;
}

bool host_body_data(struct host_one *c, struct slice bytes)
{
	if (c->ignores_body) {
		c->owed += bytes.n;
		return true;
	}
	c->done->body_size += bytes.n;
	if (c->md != NULL)
		EVP_DigestUpdate(c->md, bytes.p, bytes.n);
	if (c->call->body == HOST_BODY_KEEP)
		keep_bytes(c, bytes);
	c->owed += bytes.n;
	if (is_paced(c))
		pace(c, bytes.n);
	if (is_paced(c) || c->done->body.err != ERR_OK)
		return true;
	if (c->wants_file)
		return c->spill_state != SPILL_WRITING;
	/* below the first credit there is nothing to do until the end */
	return c->done->body_size > HOST_BODY_MEMORY / 2;
}

/* ---- the file ---- */

void host_spill_free(void *spill)
{
	struct host_spill *s = spill;
	if (s == NULL)
		return;
	if (s->stays)
		bodyfile_leave(s->file);
	else
		bodyfile_free(s->file);
	bytes_fini(&s->chunk);
	bytes_fini(&s->text);
	free(s);
}

static enum err open_file(struct host_spill *s)
{
	if (s->reopen_id != 0)
		return bodykept_reopen(s->dir, s->kept_job, s->reopen_id, s->reopen_size, &s->file);
	return s->kept_job != 0 ? bodykept_new(s->dir, &s->about, &s->file)
				: bodyfile_new(s->dir, &s->file);
}

/* On a worker. */
static int write_chunk(void *arg)
{
	struct host_spill *s = arg;
	if (s->after == SPILL_UNWANTED) {
		bodyfile_free(s->file);
		s->file = NULL;
		return ACT_OK;
	}
	if (s->file == NULL)
		s->result = open_file(s);
	if (s->result == ERR_OK && s->chunk.n > 0)
		s->result = bodyfile_append(s->file, s->chunk.p, s->chunk.n);
	if (s->result == ERR_OK && s->after == SPILL_FINISH)
		s->result = bodyfile_finish(s->file, &s->size, s->sha256);
	if (s->result == ERR_OK && s->after == SPILL_PARK)
		bodyfile_park(s->file);
	return ACT_OK;
}

static int submit(act_self *self, struct host_one *c, struct host_spill *s)
{
	struct act_work w = {.fn = write_chunk,
			     .arg = s,
			     .dtor = host_spill_free,
			     .cls = c->host->hosts->opts.body_class};
	return act_offload_signal(self, &w, (uint64_t)(uintptr_t)c);
}

static struct host_spill *spill_of(struct host_one *c)
{
	if (c->spill_state == SPILL_NONE) {
		c->spill = calloc(1, sizeof(*c->spill));
		if (c->spill == NULL)
			return NULL;
		c->spill->dir = c->host->hosts->opts.bodies;
		host_partial_marks(c, c->spill);
		c->spill_state = SPILL_IDLE;
	}
	return c->spill;
}

/* Hands what has gathered to a worker. A full line is tried again by the timer. */
static void write_some(act_self *self, struct host_one *c)
{
	struct host_spill *s = spill_of(c);
	struct host_done *d = c->done;
	if (s == NULL) {
		d->body.err = ERR_NOMEM;
		return;
	}
	struct bytes empty = {0};
	s->chunk = d->body;
	s->after = !c->has_ended	    ? SPILL_GOES_ON
		   : host_partial_is_cut(c) ? SPILL_PARK
					    : SPILL_FINISH;
	int rc = submit(self, c, s);
	if (rc != ACT_OK) {
		s->chunk = empty;
		act_timer_set(self, &c->timer, 10 * NS_PER_MS);
		return;
	}
	d->hosts->body_bytes -= d->counted;
	d->counted = 0;
	d->body = empty;
	c->spill = NULL;
	c->spill_state = SPILL_WRITING;
}

void host_body_written(act_self *self, struct host_one *c, struct host_spill *s)
{
	bytes_fini(&s->chunk);
	c->spill = s;
	c->spill_state = SPILL_IDLE;
	if (s->result != ERR_OK) {
		c->done->body.err = s->result;
	} else if (s->after == SPILL_PARK) {
		c->spill_state = SPILL_DONE;
	} else if (s->after == SPILL_FINISH) {
		c->spill_state = SPILL_DONE;
		c->done->body_file = bodyfile_id(s->file);
		c->done->has_sha256 = true;
		memcpy(c->done->sha256, s->sha256, sizeof(s->sha256));
		bodyfile_free(s->file);
		s->file = NULL;
	}
	(void)self;
}

bool host_body_is_whole(const struct host_one *c)
{
	return c->has_ended && (!c->wants_file || c->spill_state == SPILL_DONE);
}

void host_body_discard(act_self *self, struct host_one *c)
{
	struct host_spill *s = c->spill;
	if (s == NULL || s->file == NULL)
		return;
	s->after = SPILL_UNWANTED;
	s->stays = false;
	c->spill = NULL;
	c->spill_state = SPILL_NONE;
	struct act_work w = {.fn = write_chunk,
			     .arg = s,
			     .dtor = host_spill_free,
			     .cls = c->host->hosts->opts.body_class};
	/* tag 0: nobody waits for it */
	if (act_offload_signal(self, &w, 0) != ACT_OK)
		host_spill_free(s);
}

/* ---- credit ---- */

static void give_credit(act_self *self, struct host_one *c)
{
	if (c->owed == 0)
		return;
	if (act_now_ns(self) < c->due_ns) {
		act_timer_set_at(self, &c->timer, c->due_ns);
		return;
	}
	size_t owed = c->owed;
	c->owed = 0;
	exchange_credit(c->host->hosts->opts.exchange, c->id, owed);
}

void host_body_step(act_self *self, struct host_one *c)
{
	if (c->spill_state == SPILL_WRITING || c->spill_state == SPILL_DONE)
		return;
	if (c->wants_file && (c->has_ended || c->done->body.n > HOST_BODY_MEMORY / 2)) {
		write_some(self, c);
		return;
	}
	if (!c->has_ended)
		give_credit(self, c);
}

static int remove_files(void *arg)
{
	struct hosts *batch = arg;
	for (uint32_t i = 0; i < batch->n_orphan; i++)
		host_orphan_remove(batch, &batch->orphan[i]);
	return ACT_OK;
}

static void batch_free(void *arg)
{
	free(((struct hosts *)arg)->orphan);
	free(arg);
}

void host_orphans(act_self *self, struct hosts *h)
{
	if (h->n_orphan == 0)
		return;
	struct hosts *batch = calloc(1, sizeof(*batch));
	if (batch == NULL)
		return;
	batch->opts.bodies = h->opts.bodies;
	batch->orphan = h->orphan;
	batch->n_orphan = h->n_orphan;
	struct act_work w = {
		.fn = remove_files, .arg = batch, .dtor = batch_free, .cls = h->opts.body_class};
	if (act_offload_signal(self, &w, 1) != ACT_OK) {
		free(batch); /* the list stays ours: the next host tries again */
		return;
	}
	h->orphan = NULL;
	h->n_orphan = h->cap_orphan = 0;
}
