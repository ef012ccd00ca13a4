/* scribe -- an actor that writes down, as letters, what happens to it. */
#pragma once

#include "run/scope.h"
#include "tests/unit/run/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NOTE = 1, FAIL, LEAVE, KEEP };

/* What happened, as letters, in order. */
static char story[256];

static inline void tell(char c)
{
	size_t n = strlen(story);
	ck_assert_uint_lt(n + 1, sizeof(story));
	story[n] = c;
	story[n + 1] = '\0';
}

static inline void begin(struct world *w)
{
	story[0] = '\0';
	world_open(w);
}

struct scribe {
	act_msg *kept;
	struct act_timer timer, other;
	uint64_t n;
	act_id peer;
	int on_exit;
};

static struct scribe *last_scribe;

static inline int scribe_init(act_self *self, void *state, const void *arg)
{
	(void)self;
	(void)arg;
	last_scribe = state;
	return ACT_OK;
}

static inline int scribe_msg(act_self *self, void *state, act_msg *m)
{
	struct scribe *s = state;
	s->n++;
	if (act_len(m) > 0)
		tell(*(char *)act_data(m));
	if (m->type == FAIL)
		return act_fail(self, -200, "test", NULL, "as told");
	if (m->type == KEEP)
		s->kept = act_take(self, m);
	return m->type == LEAVE ? ACT_EXIT : ACT_OK;
}

static inline int scribe_signal(act_self *self, void *state, const struct act_sig *sig)
{
	(void)self;
	(void)state;
	static const char letter[] = "CDXTRMGW";
	tell(letter[sig->kind]);
	return sig->kind == ACT_SIG_CANCEL ? ACT_ECANCELED : ACT_OK;
}

static inline void scribe_fini(act_self *self, void *state, int why)
{
	(void)why;
	act_drop(self, ((struct scribe *)state)->kept);
	tell('f');
}

static const act_class scribe = {.name = "scribe",
				 .state_size = sizeof(struct scribe),
				 .flags = ACT_CLASS_TRAPS_EXIT,
				 .init = scribe_init,
				 .on_msg = scribe_msg,
				 .on_signal = scribe_signal,
				 .fini = scribe_fini};

static inline act_id a_scribe(struct world *w, const struct act_opts *opts)
{
	act_id id = act_spawn(w->root, &scribe, NULL, opts);
	ck_assert_uint_ne(id, 0);
	return id;
}

static int n_freed;

static inline void freed(void *p)
{
	n_freed++;
	free(p);
}
