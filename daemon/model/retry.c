#include "model/retry.h"

static const enum kind retried_kinds[] = {
	KIND_DNS_TIMEOUT,     KIND_CONNECT_REFUSED, KIND_CONNECT_TIMEOUT, KIND_CONNECT_FAILED,
	KIND_SEND_FAILED,     KIND_READ_TIMEOUT,    KIND_READ_CLOSED,	  KIND_PROXY_FAILED,
	KIND_ATTEMPT_TIMEOUT, KIND_LOCAL_RESOURCE,
};

static const int retried_statuses[] = {408, 429, 500, 502, 503, 504};

static const enum kind never_kinds[] = {
	KIND_TLS_VERIFY, KIND_POLICY_DENIED, KIND_URL_INVALID,
	KIND_DEADLINE,	 KIND_CANCELLED,     KIND_LIMIT_WAIT,
};

#define COUNT(x) (sizeof(x) / sizeof((x)[0]))

void retry_policy_init(struct retry_policy *p)
{
	*p = (struct retry_policy){.attempts = 3, .backoff_ms = 500, .max_ms = 30000};
}

static bool in_list(const enum kind *list, size_t n, enum kind k)
{
	for (size_t i = 0; i < n; i++) {
		if (list[i] == k)
			return true;
	}
	return false;
}

static bool is_retried_status(int status)
{
	for (size_t i = 0; i < COUNT(retried_statuses); i++) {
		if (retried_statuses[i] == status)
			return true;
	}
	return false;
}

static bool is_wanted(const struct retry_policy *p, const struct retry_facts *f)
{
	if (in_list(never_kinds, COUNT(never_kinds), f->kind))
		return false;
	if (p->has_on)
		return kindset_has(p->kinds, f->kind) ||
		       (f->kind == KIND_STATUS && statuses_has(&p->statuses, f->status));
	return f->kind == KIND_STATUS ? is_retried_status(f->status)
				      : in_list(retried_kinds, COUNT(retried_kinds), f->kind);
}

bool retry_is_repeatable(struct slice method)
{
	static const char *const names[] = {"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"};
	for (size_t i = 0; i < COUNT(names); i++) {
		if (slice_is(method, names[i]))
			return true;
	}
	return false;
}

bool retry_again(const struct retry_policy *p, const struct retry_facts *f)
{
	if (f->kind == KIND_NONE || f->attempt >= p->attempts || !is_wanted(p, f))
		return false;
	return !f->was_sent || f->has_idempotency_key || (p->has_on && p->on_is_here) ||
	       retry_is_repeatable(f->method);
}

int64_t retry_backoff_ms(const struct retry_policy *p, uint32_t attempt, struct rng *rng)
{
	int64_t most = p->backoff_ms;
	for (uint32_t i = 1; i < attempt && most < p->max_ms; i++)
		most = most > INT64_MAX / 2 ? p->max_ms : most * 2;
	if (most > p->max_ms)
		most = p->max_ms;
	return most <= 0 ? 0 : (int64_t)rng_below(rng, (uint64_t)most + 1);
}
