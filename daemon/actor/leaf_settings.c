/*
 * leaf_settings -- what the configuration adds to a fetch: its name, its proxy, the bounds of what
 * it takes, the sockets it may use. Read anew for every call, so that a reload counts at once.
 */
#include "actor/leaf_fetch_state.h"
#include "base/rng.h"
#include "model/config.h"
#include "model/proxyurl.h"

#include <stdio.h>
#include <string.h>

/* NULL: there is none; the defaults of the engine then. */
static const struct config *settings(const struct fetch *f)
{
	const struct job_peers *peers = fetch_job(f)->peers;
	return peers->config != NULL ? peers->config(peers->ctx) : NULL;
}

void fetch_new_id(act_self *self, const struct fetch *f, char ret[33])
{
	const struct job_peers *peers = fetch_job(f)->peers;
	if (peers->new_id != NULL)
		peers->new_id(ret);
	else /* a simulation is the same each time */
		snprintf(ret, 33, "%016llx%016llx", (unsigned long long)rng_u64(act_rng(self)),
			 (unsigned long long)rng_u64(act_rng(self)));
}

struct slice fetch_user_agent(const struct fetch *f)
{
	const struct config *c = settings(f);
	return c != NULL ? slice_of(c->http_user_agent) : SLICE_LIT("muster/" MUSTER_VERSION);
}

static struct slice proxy_of(const struct fetch *f)
{
	const struct config *c = settings(f);
	if (f->spec->has_proxy || c == NULL)
		return f->spec->proxy;
	return slice_of(c->http_proxy);
}

size_t fetch_settings_size(const struct fetch *f)
{
	return fetch_user_agent(f).n + proxy_of(f).n;
}

bool fetch_set_proxy(const struct fetch *f, struct host_call *c, const char **why)
{
	struct slice text = proxy_of(f);
	struct proxyurl p;
	if (text.n == 0)
		return true;
	if (proxyurl_parse(text, &p, why) != ERR_OK)
		return false;
	c->req.proxy = (struct xproxy){
		.kind = p.is_socks ? XPROXY_SOCKS5 : XPROXY_HTTP,
		.host = host_call_text(c, url_host(&p.url)),
		.port = p.port,
		.user = host_call_text(c, url_user(&p.url)),
		.pass = host_call_text(c, url_pass(&p.url)),
	};
	proxyurl_fini(&p);
	return true;
}

void fetch_set_limits(const struct fetch *f, struct host_call *c)
{
	const struct config *s = settings(f);
	c->req.limits.body_bytes = f->spec->max_body_bytes;
	c->req.limits.min_rate_bytes = f->spec->min_rate_bytes;
	if (s == NULL)
		return;
	c->req.limits.header_bytes = (size_t)s->http_header_bytes;
	c->req.limits.header_fields = (size_t)s->http_header_fields;
	c->req.limits.decoded_per_wire = (uint32_t)s->http_decoded_per_wire;
}

bool fetch_socket_allowed(struct fetch *f)
{
	const struct job *j = fetch_job(f);
	const struct config *c = settings(f);
	struct slice path = f->spec->unix_socket;
	if (path.n == 0 || c == NULL || j->uid == 0 || j->uid == j->peers->own_uid ||
	    config_unix_socket_allowed(c, path))
		return true;
	fetch_says(f, KIND_POLICY_DENIED, "network.unix_sockets does not name %.*s",
		   (int)(path.n < 200 ? path.n : 200), path.p);
	return false;
}
