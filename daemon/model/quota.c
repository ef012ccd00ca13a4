#include "model/quota.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

void quota_fini(struct quota *q)
{
	free(q->group);
	*q = (struct quota){.n = q->n, .window_ns = q->window_ns};
}

void quota_change(struct quota *q, struct rate rate, int64_t slack_ns)
{
	q->n = rate.n;
	q->window_ns = rate.per_ns + slack_ns;
}

static struct quota_group *group_at(const struct quota *q, uint32_t i)
{
	return &q->group[(q->at + i) & (q->cap - 1)];
}

static bool grow(struct quota *q)
{
	uint32_t cap = q->cap == 0 ? 4 : q->cap * 2;
	if (cap > QUOTA_GROUPS * 4)
		return false;
	struct quota_group *group = malloc(cap * sizeof(*group));
	if (group == NULL)
		return false;
	for (uint32_t i = 0; i < q->len; i++)
		group[i] = *group_at(q, i);
	free(q->group);
	q->group = group;
	q->cap = cap;
	q->at = 0;
	return true;
}

enum err quota_init(struct quota *q, struct rate rate, int64_t slack_ns)
{
	CHECK(rate.n >= 1 && rate.per_ns >= 1);
	*q = (struct quota){.n = rate.n, .window_ns = rate.per_ns + slack_ns};
	return grow(q) ? ERR_OK : ERR_NOMEM;
}

static void expire(struct quota *q, int64_t now_ns)
{
	while (q->len > 0 && group_at(q, 0)->last_ns + q->window_ns <= now_ns) {
		q->taken -= group_at(q, 0)->count;
		q->at = (q->at + 1) & (q->cap - 1);
		q->len--;
	}
}

int64_t quota_ready_ns(struct quota *q, int64_t now_ns, int64_t cost)
{
	expire(q, now_ns);
	int64_t left = q->n - q->taken;
	if (left >= cost || q->taken == 0)
		return now_ns;
	int64_t ready = now_ns;
	for (uint32_t i = 0; i < q->len && left < cost; i++) {
		left += group_at(q, i)->count;
		ready = group_at(q, i)->last_ns + q->window_ns;
	}
	return ready;
}

/* Whether the newest entry may take more without losing precision. */
static bool may_share(const struct quota *q, const struct quota_group *last, int64_t now_ns)
{
	if (last->first_ns == now_ns)
		return true;
	if (q->n <= QUOTA_GROUPS)
		return false;
	return last->count < q->n / QUOTA_GROUPS &&
	       now_ns - last->first_ns < q->window_ns / QUOTA_GROUPS;
}

void quota_take(struct quota *q, int64_t now_ns, int64_t cost)
{
	expire(q, now_ns);
	q->taken += cost;
	if (q->len > 0) {
		struct quota_group *last = group_at(q, q->len - 1);
		if (may_share(q, last, now_ns) || (q->len == q->cap && !grow(q))) {
			last = group_at(q, q->len - 1);
			last->last_ns = now_ns;
			last->count += cost;
			return;
		}
	}
	q->len++;
	*group_at(q, q->len - 1) = (struct quota_group){now_ns, now_ns, cost};
}

bool quota_untake(struct quota *q, int64_t taken_ns, int64_t cost)
{
	if (q->len == 0)
		return false;
	struct quota_group *last = group_at(q, q->len - 1);
	if (last->last_ns != taken_ns || last->count < cost)
		return false;
	last->count -= cost;
	q->taken -= cost;
	if (last->count == 0)
		q->len--;
	return true;
}

int64_t quota_left(struct quota *q, int64_t now_ns)
{
	expire(q, now_ns);
	return q->taken < q->n ? q->n - q->taken : 0;
}

void quota_save(const struct quota *q, int64_t offset_ns, struct bytes *out)
{
	uint32_t per = (q->len + QUOTA_SAVED_GROUPS - 1) / QUOTA_SAVED_GROUPS;
	for (uint32_t i = 0; i < q->len; i += per) {
		int64_t count = 0;
		uint32_t stop = i + per < q->len ? i + per : q->len;
		for (uint32_t k = i; k < stop; k++)
			count += group_at(q, k)->count;
		bytes_add_i64(out, group_at(q, stop - 1)->last_ns + offset_ns);
		bytes_add_byte(out, ':');
		bytes_add_i64(out, count);
		bytes_add_byte(out, ' ');
	}
}

static enum err spent(struct quota *q, int64_t now_ns, enum err e)
{
	q->at = q->len = 0;
	q->taken = 0;
	quota_take(q, now_ns, q->n);
	return e;
}

enum err quota_load(struct quota *q, struct slice text, int64_t offset_ns, int64_t now_ns)
{
	char entry[48];
	size_t at = 0;
	int64_t last = INT64_MIN;
	while (at < text.n) {
		const char *end = memchr(text.p + at, ' ', text.n - at);
		size_t n = end != NULL ? (size_t)(end - text.p) - at : text.n - at;
		if (n == 0 || n >= sizeof(entry))
			return spent(q, now_ns, ERR_INVALID);
		memcpy(entry, text.p + at, n);
		entry[n] = '\0';
		char *colon, *stop;
		int64_t time = strtoll(entry, &colon, 10);
		if (*colon != ':')
			return spent(q, now_ns, ERR_INVALID);
		int64_t count = strtoll(colon + 1, &stop, 10);
		bool is_bad = *stop != '\0' || stop == colon + 1 || count < 1;
		if (is_bad || __builtin_sub_overflow(time, offset_ns, &time))
			return spent(q, now_ns, ERR_INVALID);
		count = count > q->n ? q->n : count; /* more than all of it is all of it */
		time = time > now_ns ? now_ns : time;
		if (time < last) /* times must not go backwards */
			time = last;
		last = time;
		if (now_ns - q->window_ns < time)
			quota_take(q, time, count);
		at += n + 1;
	}
	return ERR_OK;
}
