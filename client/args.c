/*
 * args -- see args.h. A parsing position walks argv; long and short options end in the same place.
 */
#include "client/args.h"

#include "base/check.h"
#include "proto/fields.h"

#include <stdlib.h>
#include <string.h>

struct parse {
	struct args *a;
	char **argv;
	int argc, at;
	bool has_command;
	struct bytes *message;
};

static void push(struct args_list *l, const char *text)
{
	const char **v = reallocarray(l->v, l->n + 1, sizeof(*v));
	CHECK(v != NULL);
	v[l->n] = text;
	l->v = v;
	l->n++;
}

static uint64_t mask_of(const struct parse *p)
{
	return p->has_command ? UINT64_C(1) << p->a->command : COMMANDS_GLOBAL;
}

static const char *command_name(const struct parse *p)
{
	return p->has_command ? commands[p->a->command].name : "";
}

static enum args_result usage(struct parse *p)
{
	bytes_printf(p->message, " (muster %s%s--help)", command_name(p),
		     p->has_command ? " " : "");
	return ARGS_USAGE;
}

static enum args_result fail_unknown(struct parse *p, struct slice name)
{
	const char *names[OPTION_COUNT];
	char wrong[64] = "";
	size_t n = 0;
	for (unsigned i = 0; i < OPTION_COUNT; i++)
		if ((options[i].commands & mask_of(p)) != 0)
			names[n++] = options[i].name;
	memcpy(wrong, name.p, name.n < sizeof(wrong) - 1 ? name.n : sizeof(wrong) - 1);
	bytes_printf(p->message, "unknown option --%s", wrong);
	const char *near = fields_nearest(wrong, names, n);
	if (near != NULL)
		bytes_printf(p->message, "; did you mean --%s?", near);
	return usage(p);
}

static enum args_result store(struct parse *p, enum option_id id, const char *text)
{
	const struct option_row *o = &options[id];
	struct bytes wanted = {.limit = 0};
	if (option_check(o, slice_of(text), &wanted) != ERR_OK) {
		bytes_printf(p->message, "--%s wants %s, not \"%.200s\"", o->name,
			     bytes_cstr(&wanted), text);
		bytes_fini(&wanted);
		return usage(p);
	}
	if (p->has_command && (o->commands & mask_of(p)) != 0)
		push(&p->a->value[id], text);
	else
		p->a->global[id] = text;
	return ARGS_RUN;
}

/* With the value that stands in the same word, or NULL. */
static enum args_result take_option(struct parse *p, enum option_id id, const char *inside)
{
	const struct option_row *o = &options[id];
	if (o->type == OPTION_TYPE_FLAG) {
		if (inside == NULL)
			return store(p, id, "");
		bytes_printf(p->message, "--%s takes no value", o->name);
		return usage(p);
	}
	if (inside != NULL)
		return store(p, id, inside);
	if (p->at == p->argc) {
		bytes_printf(p->message, "--%s needs a value: %s", o->name, o->arg);
		return usage(p);
	}
	return store(p, id, p->argv[p->at++]);
}

static enum args_result take_long(struct parse *p, const char *word)
{
	const char *equals = strchr(word, '=');
	struct slice name = {word, equals != NULL ? (size_t)(equals - word) : strlen(word)};
	enum option_id id = option_find(mask_of(p), name);
	/* Where the daemon is may be said anywhere. */
	if (id == OPTION_COUNT && slice_is(name, options[OPTION_SOCKET].name))
		id = OPTION_SOCKET;
	if (id == OPTION_COUNT)
		return fail_unknown(p, name);
	return take_option(p, id, equals != NULL ? equals + 1 : NULL);
}

/* -k, -kc5, -c 5, -c5 */
static enum args_result take_short(struct parse *p, const char *letters)
{
	for (; *letters != '\0'; letters++) {
		enum option_id id = option_find_letter(mask_of(p), *letters);
		if (id == OPTION_COUNT) {
			bytes_printf(p->message, "unknown option -%c", *letters);
			return usage(p);
		}
		bool is_flag = options[id].type == OPTION_TYPE_FLAG;
		const char *inside = !is_flag && letters[1] != '\0' ? letters + 1 : NULL;
		enum args_result r = take_option(p, id, inside);
		if (r != ARGS_RUN || !is_flag)
			return r;
	}
	return ARGS_RUN;
}

static enum args_result take_command(struct parse *p, const char *word)
{
	const char *names[COMMAND_COUNT];
	p->a->command = command_find(word);
	p->has_command = p->a->command != COMMAND_COUNT;
	if (p->has_command)
		return ARGS_RUN;
	for (unsigned i = 0; i < COMMAND_COUNT; i++)
		names[i] = commands[i].name;
	const char *near = fields_nearest(word, names, COMMAND_COUNT);
	bytes_printf(p->message, "there is no command \"%.80s\"", word);
	if (near != NULL)
		bytes_printf(p->message, "; did you mean \"%s\"?", near);
	return usage(p);
}

static enum args_result take_word(struct parse *p, const char *word)
{
	if (word[0] == '-' && word[1] == '-')
		return take_long(p, word + 2);
	if (word[0] == '-' && word[1] != '\0')
		return take_short(p, word + 1);
	if (!p->has_command)
		return take_command(p, word);
	push(&p->a->arg, word);
	return ARGS_RUN;
}

/* Behind `--`: arguments that may start with a dash. */
static void take_rest(struct parse *p)
{
	while (p->at < p->argc)
		push(&p->a->arg, p->argv[p->at++]);
}

static enum args_result check_count(struct parse *p)
{
	const struct command *c = &commands[p->a->command];
	int n = (int)p->a->arg.n;
	if (n >= c->min_args && (c->max_args < 0 || n <= c->max_args))
		return ARGS_RUN;
	bytes_printf(p->message, "%s: muster %s%s%s",
		     n < c->min_args ? "something is missing" : "too many arguments", c->name,
		     c->args[0] != '\0' ? " " : "", c->args);
	return usage(p);
}

static bool wants_help(const struct parse *p)
{
	return p->a->global[OPTION_HELP] != NULL || (p->has_command && args_has(p->a, OPTION_HELP));
}

enum args_result args_parse(int argc, char **argv, struct args *ret, struct bytes *message)
{
	*ret = (struct args){.command = COMMAND_COUNT};
	struct parse p = {.a = ret, .argv = argv, .argc = argc, .at = 1, .message = message};
	while (p.at < argc) {
		const char *word = argv[p.at++];
		if (strcmp(word, "--") == 0) {
			take_rest(&p);
			break;
		}
		/* `help` is how some ask; `muster help fetch` too. */
		if (!p.has_command && strcmp(word, "help") == 0) {
			ret->global[OPTION_HELP] = "";
			continue;
		}
		enum args_result r = take_word(&p, word);
		if (r != ARGS_RUN)
			return r;
	}
	if (wants_help(&p)) {
		if (p.has_command)
			command_add_help(message, ret->command);
		else
			commands_add_help(message);
		return ARGS_HELP;
	}
	if (!p.has_command) {
		bytes_add_str(message, "which command?");
		return usage(&p);
	}
	return check_count(&p);
}

void args_fini(struct args *a)
{
	for (unsigned i = 0; i < OPTION_COUNT; i++)
		free(a->value[i].v);
	free(a->arg.v);
}

const char *args_text(const struct args *a, enum option_id o)
{
	const struct args_list *l = &a->value[o];
	return l->n != 0 ? l->v[l->n - 1] : NULL;
}

int64_t args_number(const struct args *a, enum option_id o, int64_t usual)
{
	const char *text = args_text(a, o);
	int64_t v = usual;
	uint64_t n = 0;
	if (text == NULL)
		return usual;
	enum err e = ERR_OK;
	switch (options[o].type) {
	case OPTION_TYPE_DURATION:
		e = units_duration(slice_of(text), &v);
		break;
	case OPTION_TYPE_SIZE:
		e = units_size(slice_of(text), &v);
		break;
	default:
		e = units_u64(slice_of(text), &n);
		v = (int64_t)n;
	}
	CHECK(e == ERR_OK); /* it was checked when it was parsed */
	return v;
}

bool args_is(const struct args *a, enum option_id o, const char *word)
{
	const char *text = args_text(a, o);
	return strcmp(text != NULL ? text : options[o].dflt, word) == 0;
}
