/* Request and reply between actors: Chameneos, Big, dictionary, list, philosophers, bank, map. */
#include "base/check.h"
#include "base/rng.h"
#include "bench.h"

#include <math.h>
#include <string.h>

enum {
	GO = 1,
	MEET,
	OTHER,
	STOP,
	PING,
	PONG,
	QUERY,
	ANSWER,
	HUNGRY,
	EAT,
	DENIED,
	FULL,
	DEBIT,
	CREDIT,
	DONE
};

/* ---- chameneos ---- */

#define CREATURES 100
#define MEETINGS  200000

struct creature {
	act_id mall;
	uint64_t colour, met;
};

struct mall {
	act_id waiting;
	uint64_t colour, met, sum, ended;
};

static int creature_on_msg(act_self *self, void *state, act_msg *m)
{
	struct creature *c = state;
	if (m->type == STOP) {
		bench_send(self, c->mall, DONE, &c->met, 8);
		return ACT_EXIT;
	}
	if (m->type == GO) {
		c->mall = m->word[0];
		c->colour = m->word[1];
	} else {
		c->colour = (6 - c->colour - m->word[0]) % 3;
		c->met++;
	}
	bench_send(self, c->mall, MEET, &c->colour, 8);
	return ACT_OK;
}

static int mall_on_msg(act_self *self, void *state, act_msg *m)
{
	struct mall *p = state;
	if (m->type == DONE) {
		p->sum += m->word[0];
		if (++p->ended == CREATURES)
			run_end(run_of(self), (double)p->sum);
		return ACT_OK;
	}
	if (p->met == MEETINGS) {
		bench_send(self, m->from, STOP, NULL, 0);
	} else if (p->waiting == 0) {
		p->waiting = m->from;
		p->colour = m->word[0];
	} else {
		bench_send(self, p->waiting, OTHER, &m->word[0], 8);
		bench_send(self, m->from, OTHER, &p->colour, 8);
		p->waiting = 0;
		p->met++;
	}
	return ACT_OK;
}

static void chameneos(struct run *r)
{
	static const act_class creature = {.name = "creature",
					   .state_size = sizeof(struct creature),
					   .on_msg = creature_on_msg};
	static const act_class mall = {
		.name = "mall", .state_size = sizeof(struct mall), .on_msg = mall_on_msg};
	act_id m = bench_spawn(r->root, &mall, NULL, 2 * CREATURES);
	for (uint64_t i = 0; i < CREATURES; i++)
		bench_send(r->root, bench_spawn(r->root, &creature, NULL, 4), GO,
			   (uint64_t[]){m, i % 3}, 16);
	r->ops = 2 * MEETINGS;
	act_shard_run(r->shard, false);
}

/* ---- big ---- */

#define BIG_ACTORS 120
#define BIG_PINGS  20000

static act_id big_id[BIG_ACTORS];
static uint64_t big_sum, big_ended;

static int big_on_msg(act_self *self, void *state, act_msg *m)
{
	uint64_t *got = state;
	if (m->type == PING) {
		bench_send(self, m->from, PONG, NULL, 0);
		return ACT_OK;
	}
	if (m->type == PONG && ++*got == BIG_PINGS) {
		big_sum += *got;
		if (++big_ended == BIG_ACTORS)
			run_end(run_of(self), (double)big_sum);
		return ACT_OK;
	}
	bench_send(self, big_id[rng_below(act_rng(self), BIG_ACTORS)], PING, NULL, 0);
	return ACT_OK;
}

static void big(struct run *r)
{
	static const act_class cls = {.name = "big", .state_size = 8, .on_msg = big_on_msg};
	for (int i = 0; i < BIG_ACTORS; i++)
		big_id[i] = bench_spawn(r->root, &cls, NULL, 2 * BIG_ACTORS);
	for (int i = 0; i < BIG_ACTORS; i++)
		bench_send(r->root, big_id[i], GO, NULL, 0);
	r->ops = 2 * BIG_ACTORS * BIG_PINGS;
	act_shard_run(r->shard, false);
}

/* ---- a dictionary, a sorted list ---- */

#define KEY_SPACE 65536
#define WORKERS	  20

enum query { READ, WRITE, SIZE };

struct asker {
	act_id server;
	uint64_t left, got, writes, sizes; /* writes, sizes: of 100 */
};

static uint64_t asker_sum, asker_ended;

static int asker_on_msg(act_self *self, void *state, act_msg *m)
{
	struct asker *a = state;
	if (m->type == GO)
		memcpy(a, act_data(m), sizeof(*a));
	else
		a->got++;
	if (a->left == 0) {
		asker_sum += a->got;
		if (++asker_ended == WORKERS)
			run_end(run_of(self), (double)asker_sum);
		return ACT_EXIT;
	}
	a->left--;
	uint64_t x = rng_below(act_rng(self), 100);
	uint64_t q = x < a->sizes ? SIZE : x < a->sizes + a->writes ? WRITE : READ;
	bench_send(self, a->server, QUERY, (uint64_t[]){q, rng_below(act_rng(self), KEY_SPACE)},
		   16);
	return ACT_OK;
}

struct dictionary {
	uint32_t value[KEY_SPACE];
};

static int dictionary_on_msg(act_self *self, void *state, act_msg *m)
{
	struct dictionary *d = state;
	uint32_t *at = &d->value[m->word[1]];
	if (m->word[0] == WRITE)
		*at = (uint32_t)m->word[1];
	bench_send(self, m->from, ANSWER, (uint64_t[]){*at}, 8);
	return ACT_OK;
}

struct list {
	uint32_t n, key[KEY_SPACE];
};

static int list_on_msg(act_self *self, void *state, act_msg *m)
{
	struct list *l = state;
	uint32_t key = (uint32_t)m->word[1], lo = 0, hi = l->n;
	while (lo < hi) {
		uint32_t mid = (lo + hi) / 2;
		if (l->key[mid] < key)
			lo = mid + 1;
		else
			hi = mid;
	}
	uint64_t has = lo < l->n && l->key[lo] == key;
	if (m->word[0] == WRITE && !has) {
		memmove(&l->key[lo + 1], &l->key[lo], (l->n - lo) * sizeof(l->key[0]));
		l->key[lo] = key;
		l->n++;
	}
	bench_send(self, m->from, ANSWER, (uint64_t[]){m->word[0] == SIZE ? l->n : has}, 8);
	return ACT_OK;
}

static void ask_server(struct run *r, const act_class *server, uint64_t each, uint64_t sizes)
{
	static const act_class asker = {
		.name = "asker", .state_size = sizeof(struct asker), .on_msg = asker_on_msg};
	struct asker a = {bench_spawn(r->root, server, NULL, 2 * WORKERS), each, 0, 10, sizes};
	for (int i = 0; i < WORKERS; i++)
		bench_send(r->root, bench_spawn(r->root, &asker, NULL, 4), GO, &a, sizeof(a));
	r->ops = WORKERS * each;
	act_shard_run(r->shard, false);
}

static void concdict(struct run *r)
{
	static const act_class cls = {.name = "dictionary",
				      .state_size = sizeof(struct dictionary),
				      .on_msg = dictionary_on_msg};
	ask_server(r, &cls, 10000, 0);
}

static void conclist(struct run *r)
{
	static const act_class cls = {
		.name = "list", .state_size = sizeof(struct list), .on_msg = list_on_msg};
	ask_server(r, &cls, 8000, 1);
}

/* ---- philosophers ---- */

#define PHILOSOPHERS 20
#define MEALS	     10000

struct philosopher {
	act_id arbiter;
	uint64_t seat, meals;
};

static uint64_t meals_sum, philosophers_ended;

static int philosopher_on_msg(act_self *self, void *state, act_msg *m)
{
	struct philosopher *p = state;
	if (m->type == GO) {
		p->arbiter = m->word[0];
		p->seat = m->word[1];
	} else if (m->type == EAT) {
		p->meals++;
		bench_send(self, p->arbiter, FULL, &p->seat, 8);
	}
	if (p->meals == MEALS) {
		meals_sum += p->meals;
		if (++philosophers_ended == PHILOSOPHERS)
			run_end(run_of(self), (double)meals_sum);
		return ACT_EXIT;
	}
	bench_send(self, p->arbiter, HUNGRY, &p->seat, 8);
	return ACT_OK;
}

static int arbiter_on_msg(act_self *self, void *state, act_msg *m)
{
	bool *fork = state;
	uint64_t left = m->word[0], right = (left + 1) % PHILOSOPHERS;
	if (m->type == FULL) {
		fork[left] = fork[right] = false;
		return ACT_OK;
	}
	bool granted = !fork[left] && !fork[right];
	if (granted)
		fork[left] = fork[right] = true;
	bench_send(self, m->from, granted ? EAT : DENIED, NULL, 0);
	return ACT_OK;
}

static void philosophers(struct run *r)
{
	static const act_class arbiter = {
		.name = "arbiter", .state_size = PHILOSOPHERS, .on_msg = arbiter_on_msg};
	static const act_class cls = {.name = "philosopher",
				      .state_size = sizeof(struct philosopher),
				      .on_msg = philosopher_on_msg};
	act_id a = bench_spawn(r->root, &arbiter, NULL, 4 * PHILOSOPHERS);
	for (uint64_t i = 0; i < PHILOSOPHERS; i++)
		bench_send(r->root, bench_spawn(r->root, &cls, NULL, 4), GO, (uint64_t[]){a, i},
			   16);
	r->ops = PHILOSOPHERS * MEALS;
	act_shard_run(r->shard, false);
}

/* ---- bank ---- */

#define ACCOUNTS  1000
#define TRANSFERS 50000

static act_id account_id[ACCOUNTS];
static int64_t bank_sum;

/* A debit waits for its credit's answer before it is answered: an ask inside an ask. */
struct account {
	int64_t balance;
	act_id teller;
};

static int account_on_msg(act_self *self, void *state, act_msg *m)
{
	struct account *a = state;
	switch (m->type) {
	case GO:
		a->balance = 1000;
		break;
	case DEBIT:
		a->balance -= (int64_t)m->word[0];
		a->teller = m->from;
		bench_send(self, account_id[m->word[1]], CREDIT, m->p, 8);
		break;
	case CREDIT:
		a->balance += (int64_t)m->word[0];
		bench_send(self, m->from, ANSWER, NULL, 0);
		break;
	case ANSWER:
		bench_send(self, a->teller, DONE, NULL, 0);
		break;
	default:
		bank_sum += a->balance;
		return ACT_EXIT;
	}
	return ACT_OK;
}

static int teller_on_msg(act_self *self, void *state, act_msg *m)
{
	uint64_t *done = state;
	if (m->type == DONE)
		++*done;
	if (*done == TRANSFERS) {
		act_shard_ask_stop(run_of(self)->shard);
		return ACT_EXIT;
	}
	uint64_t from = rng_below(act_rng(self), ACCOUNTS - 1);
	uint64_t to = from + 1 + rng_below(act_rng(self), ACCOUNTS - from - 1);
	bench_send(self, account_id[from], DEBIT, (uint64_t[]){rng_below(act_rng(self), 100), to},
		   16);
	return ACT_OK;
}

static void bank(struct run *r)
{
	static const act_class account = {
		.name = "account", .state_size = sizeof(struct account), .on_msg = account_on_msg};
	static const act_class teller = {
		.name = "teller", .state_size = 8, .on_msg = teller_on_msg};
	for (int i = 0; i < ACCOUNTS; i++) {
		account_id[i] = bench_spawn(r->root, &account, NULL, 4);
		bench_send(r->root, account_id[i], GO, NULL, 0);
	}
	bench_send(r->root, bench_spawn(r->root, &teller, NULL, 4), GO, NULL, 0);
	r->ops = TRANSFERS;
	act_shard_run(r->shard, false);
	for (int i = 0; i < ACCOUNTS; i++)
		bench_send(r->root, account_id[i], STOP, NULL, 0);
	while (act_shard_turn(r->shard))
		continue;
	r->answer = (double)bank_sum;
}

/* ---- logistic map ---- */

#define SERIES 10
#define TERMS  25000

struct series {
	double x;
	act_id compute;
	uint64_t left;
};

static double series_sum;
static uint64_t series_ended;

static int compute_init(act_self *self, void *state, const void *arg)
{
	(void)self;
	*(double *)state = *(const double *)arg;
	return ACT_OK;
}

static int compute_on_msg(act_self *self, void *state, act_msg *m)
{
	double x;
	memcpy(&x, m->p, sizeof(x));
	x = *(double *)state * x * (1 - x);
	bench_send(self, m->from, ANSWER, &x, sizeof(x));
	return ACT_OK;
}

static int series_on_msg(act_self *self, void *state, act_msg *m)
{
	struct series *s = state;
	if (m->type == GO)
		memcpy(s, act_data(m), sizeof(*s));
	else
		memcpy(&s->x, m->p, sizeof(s->x));
	if (s->left == 0) {
		series_sum += s->x;
		if (++series_ended == SERIES)
			run_end(run_of(self), floor(series_sum * 1000 + 0.5));
		return ACT_EXIT;
	}
	s->left--;
	bench_send(self, s->compute, QUERY, &s->x, sizeof(s->x));
	return ACT_OK;
}

static void logisticmap(struct run *r)
{
	static const act_class compute = {.name = "compute",
					  .state_size = sizeof(double),
					  .init = compute_init,
					  .on_msg = compute_on_msg};
	static const act_class cls = {
		.name = "series", .state_size = sizeof(struct series), .on_msg = series_on_msg};
	for (int i = 0; i < SERIES; i++) {
		double rate = 3.46 + 0.0025 * i;
		struct series s = {0.0025 * (i + 1), bench_spawn(r->root, &compute, &rate, 4),
				   TERMS};
		bench_send(r->root, bench_spawn(r->root, &cls, NULL, 4), GO, &s, sizeof(s));
	}
	r->ops = SERIES * TERMS;
	act_shard_run(r->shard, false);
}

const struct bench bench_ask[] = {{"chameneos", chameneos},	  {"big", big},
				  {"concdict", concdict},	  {"conclist", conclist},
				  {"philosophers", philosophers}, {"bank", bank},
				  {"logisticmap", logisticmap},	  {NULL, NULL}};
