/*
 * rates -- see rates.h.
 */
#include "client/rates.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SMOOTH_MS     3000.0 /* what is that old weighs 1/e */
#define SHORTEST_MS   100    /* of two pictures: a resize draws at once */
#define RATES_AT_MOST 4096

void rates_fini(struct rates *r)
{
	free(r->v);
	*r = (struct rates){.n = 0};
}

void rates_begin(struct rates *r)
{
	size_t kept = 0;
	for (size_t i = 0; i < r->n; i++)
		if (r->v[i].round == r->round)
			r->v[kept++] = r->v[i];
	r->n = kept;
	r->round++;
}

static struct rate_of *find(struct rates *r, const char *name)
{
	for (size_t i = 0; i < r->n; i++)
		if (strcmp(r->v[i].name, name) == 0)
			return &r->v[i];
	return NULL;
}

static double begin(struct rates *r, const char *name, int64_t count, int64_t now_ms)
{
	struct rate_of *v = r->n < RATES_AT_MOST ? reallocarray(r->v, r->n + 1, sizeof(*v)) : NULL;
	if (v == NULL)
		return -1;
	r->v = v;
	v[r->n] = (struct rate_of){.count = count, .at_ms = now_ms, .per_s = -1, .round = r->round};
	snprintf(v[r->n].name, sizeof(v[r->n].name), "%s", name);
	r->n++;
	return -1;
}

double rates_of(struct rates *r, const char *name, int64_t count, int64_t now_ms)
{
	struct rate_of *v = find(r, name);
	if (v == NULL)
		return begin(r, name, count, now_ms);
	v->round = r->round;
	int64_t passed = now_ms - v->at_ms;
	if (count < v->count) {
		v->per_s = -1;
	} else if (passed >= SHORTEST_MS) {
		double now = (double)(count - v->count) * 1000 / (double)passed;
		double old = exp(-(double)passed / SMOOTH_MS);
		v->per_s = v->per_s < 0 ? now : v->per_s * old + now * (1 - old);
	} else {
		return v->per_s;
	}
	v->count = count;
	v->at_ms = now_ms;
	return v->per_s;
}
