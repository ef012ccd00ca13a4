#include "model/redirect.h"

#include <strings.h>

static bool redirects(int status)
{
	return status == 300 || status == 301 || status == 302 || status == 303 || status == 307 ||
	       status == 308;
}

static bool turns_to_get(int status, struct slice method)
{
	if (status == 303)
		return !slice_is(method, "HEAD") && !slice_is(method, "GET");
	return (status == 301 || status == 302) && slice_is(method, "POST");
}

static struct slice trimmed(struct slice s)
{
	while (s.n > 0 && (*s.p == ' ' || *s.p == '\t')) {
		s.p++;
		s.n--;
	}
	while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

static enum redirect_verdict fail(struct redirect_step *step, enum kind kind, const char *why)
{
	step->kind = kind;
	step->why = why;
	return REDIRECT_FAILED;
}

enum redirect_verdict redirect_next(const struct redirect_facts *f, struct redirect_step *ret)
{
	struct slice location = trimmed(f->location);
	const char *why = NULL;
	*ret = (struct redirect_step){.kind = KIND_NONE};
	if (!redirects(f->status) || location.n == 0)
		return REDIRECT_FINAL;
	if (f->hops >= f->max_hops)
		return fail(ret, KIND_REDIRECT_TOO_MANY, "more redirects than allowed");
	enum err e = url_resolve(f->at, location, &ret->to, &why);
	if (e == ERR_NOMEM)
		return fail(ret, KIND_LOCAL_RESOURCE, "memory ran out");
	if (e != ERR_OK)
		return fail(ret, KIND_REDIRECT_DENIED,
			    why != NULL ? why : "the redirect leads to no http or https URL");
	if (f->at->is_https && !ret->to.is_https && !f->may_downgrade) {
		url_fini(&ret->to);
		return fail(ret, KIND_REDIRECT_DENIED,
			    "the redirect leads from https to http: to follow it, say "
			    "\"downgrade\":true or do without verification");
	}
	ret->to_get = turns_to_get(f->status, f->method);
	ret->other_origin = !slice_eq(url_origin(f->at), url_origin(&ret->to));
	return REDIRECT_FOLLOW;
}

bool redirect_drops_field(struct slice name)
{
	static const char *const of_body[] = {"content-type",
					      "content-encoding",
					      "content-language",
					      "content-location",
					      "content-md5",
					      "digest",
					      "expect"};
	for (size_t i = 0; i < sizeof(of_body) / sizeof(*of_body); i++)
		if (slice_eq_nocase(name, slice_of(of_body[i])))
			return true;
	return false;
}
