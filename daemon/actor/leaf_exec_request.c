/*
 * leaf_exec_request -- what an exec asks for: program, arguments, environment, stdin, and whether
 * the configuration allows it.
 */
#include "actor/leaf_exec_state.h"
#include "model/config.h"
#include "model/execenv.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

void exec_says(struct exec *x, enum kind kind, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	x->kind = kind;
	bytes_clear(&x->message);
	bytes_add_str(&x->message, text);
}

/* What failed is said, not with which value: it may be a secret. */
static bool no_text(struct exec *x, enum err e, const struct interp_error *why, const char *what)
{
	if (e == ERR_NOMEM)
		exec_says(x, KIND_MEMORY, "out of memory");
	else
		exec_says(x, KIND_REQUEST_INVALID, "%s: %s", what,
			  e == ERR_INVALID && why->sentence[0] == '\0' ? err_text(e)
								       : why->sentence);
	return false;
}

/* Appends the text and its NUL to x->texts. */
static bool add_text(struct exec *x, const struct tmpl *t, const char *what)
{
	struct interp_env env = names_env(x->leaf.task->names);
	struct interp_error why = {.sentence = ""};
	struct bytes text = BYTES_LIMIT(INTERP_MAX_BYTES);
	enum err e = tmpl_render_text(t, &env, &text, &why);
	bool ok = e == ERR_OK;
	if (!ok) {
		no_text(x, e, &why, what);
	} else if (text.n > 0 && memchr(text.p, '\0', text.n) != NULL) {
		exec_says(x, KIND_REQUEST_INVALID, "%s: a NUL cannot be handed to a program", what);
		ok = false;
	} else {
		bytes_add_slice(&x->texts, bytes_slice(&text));
		bytes_add_byte(&x->texts, '\0');
	}
	bytes_fini(&text);
	return ok;
}

static bool add_argv(struct exec *x, const struct exec_spec *s)
{
	for (uint32_t i = 0; i < s->n_argv; i++)
		if (!add_text(x, &s->argv[i], "argv"))
			return false;
	return true;
}

static bool sets_path(const struct exec_spec *s, const char *name)
{
	for (uint32_t i = 0; i < s->n_env; i++)
		if (slice_is(s->env[i].name, name))
			return true;
	return false;
}

static bool add_env(struct exec *x, const struct exec_spec *s, uint32_t *ret_n)
{
	bytes_add(&x->texts, DEFAULT_PATH, sizeof(DEFAULT_PATH));
	*ret_n = 1;
	if (!sets_path(s, "LANG")) {
		bytes_add(&x->texts, "LANG=C.UTF-8", sizeof("LANG=C.UTF-8"));
		++*ret_n;
	}
	for (uint32_t i = 0; i < s->n_env; i++, ++*ret_n) {
		if (!execenv_allowed(s->env[i].name)) {
			exec_says(x, KIND_POLICY_DENIED,
				  "env: a job may not set %.*s: it would make an allowed program "
				  "run something else",
				  (int)(s->env[i].name.n < 64 ? s->env[i].name.n : 64),
				  s->env[i].name.p);
			return false;
		}
		bytes_add_slice(&x->texts, s->env[i].name);
		bytes_add_byte(&x->texts, '=');
		if (!add_text(x, &s->env[i].value, "env"))
			return false;
	}
	return true;
}

static bool add_input(struct exec *x, const struct exec_spec *s)
{
	struct interp_env env = names_env(x->leaf.task->names);
	struct interp_error why = {.sentence = ""};
	enum err e = s->input != NULL ? tmpl_render_text(s->input, &env, &x->input, &why) : ERR_OK;
	return e == ERR_OK || no_text(x, e, &why, "stdin");
}

/* x->list over what stands in x->texts. */
static bool make_list(struct exec *x, uint32_t n_argv, uint32_t n_env)
{
	x->list = calloc(n_argv + n_env + 2u, sizeof(*x->list));
	if (x->list == NULL || x->texts.err != ERR_OK) {
		exec_says(x, x->texts.err == ERR_TOO_LARGE ? KIND_REQUEST_TOO_LARGE : KIND_MEMORY,
			  "arguments and environment: %s", err_text(x->texts.err));
		return false;
	}
	const char *p = x->texts.p;
	for (uint32_t i = 0; i < n_argv; i++, p += strlen(p) + 1)
		x->list[i] = p;
	x->env = x->list + n_argv + 1;
	for (uint32_t i = 0; i < n_env; i++, p += strlen(p) + 1)
		x->list[n_argv + 1 + i] = p;
	return true;
}

static bool is_allowed(struct exec *x)
{
	const struct job_peers *peers = exec_job(x)->peers;
	const char *program = x->list[0];
	const struct config *config = peers->config != NULL ? peers->config(peers->ctx) : NULL;
	if (config == NULL || !config_program_allowed(config, slice_of(program))) {
		exec_says(x, KIND_POLICY_DENIED,
			  "%.200s may not be run; to allow it, name its full path in exec.programs "
			  "of the daemon's configuration",
			  program);
		return false;
	}
	if (peers->runner == NULL || peers->programs == NULL) {
		exec_says(x, KIND_OFFLOAD_FAILED, "this daemon has no runner for programs");
		return false;
	}
	if (x->timeout_ms == 0)
		x->timeout_ms = config->exec_timeout;
	return true;
}

static bool set_timeout(struct exec *x, const struct exec_spec *s)
{
	struct interp_env env = names_env(x->leaf.task->names);
	struct interp_error why = {.sentence = ""};
	enum err e = spec_dur_render(&s->timeout, &env, &x->timeout_ms, &why);
	return e == ERR_OK || no_text(x, e, &why, "timeout");
}

static void set_policy(struct exec *x)
{
	const struct retry_spec *r = x->leaf.task->node->retry;
	x->policy = (struct retry_policy){.attempts = 1};
	if (r == NULL)
		return;
	x->retries_all = !r->has_on;
	x->policy = (struct retry_policy){.attempts = (uint32_t)r->attempts,
					  .backoff_ms = r->backoff_ms,
					  .max_ms = r->max_ms,
					  .has_on = r->has_on,
					  .on_is_here = r->on_is_here,
					  .kinds = r->on_kinds};
}

bool exec_prepare(struct exec *x)
{
	const struct exec_spec *s = &x->leaf.task->node->u.exec;
	uint32_t n_env = 0;
	bytes_init(&x->message, 4096);
	bytes_init(&x->texts, RUNNERWIRE_RUN_MAX);
	bytes_init(&x->input, INTERP_MAX_BYTES);
	set_policy(x);
	return add_argv(x, s) && add_env(x, s, &n_env) && add_input(x, s) && set_timeout(x, s) &&
	       make_list(x, s->n_argv, n_env) && is_allowed(x);
}
