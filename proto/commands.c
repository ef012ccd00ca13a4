/*
 * commands -- the tables, finding rows, checking values by their type, and the help texts.
 */
#include "proto/commands.h"

#include "proto/errors.h"
#include "proto/units.h"

#include <string.h>

const struct command commands[COMMAND_COUNT] = {
#define COMMAND(id, text, arguments, fewest, most, does, shown)                                    \
	[COMMAND_##id] = {.name = (text),                                                          \
			  .args = (arguments),                                                     \
			  .min_args = (fewest),                                                    \
			  .max_args = (most),                                                      \
			  .summary = (does),                                                       \
			  .examples = (shown)},
#include "proto/commands.def"
#undef COMMAND
};

#define OF(id) (UINT64_C(1) << COMMAND_##id)
#define GLOBAL COMMANDS_GLOBAL
#define ALL    COMMANDS_ALL

const struct option_row options[OPTION_COUNT] = {
#define OPTION(id, short_name, long_name, kind, argument, usual, low, high, times, which, does)    \
	[OPTION_##id] = {.letter = (short_name),                                                   \
			 .name = (long_name),                                                      \
			 .type = OPTION_TYPE_##kind,                                               \
			 .arg = (argument),                                                        \
			 .dflt = (usual),                                                          \
			 .min = (low),                                                             \
			 .max = (high),                                                            \
			 .use = OPTION_##times,                                                    \
			 .commands = (which),                                                      \
			 .doc = (does)},
#include "proto/options.def"
#undef OPTION
};

enum command_id command_find(const char *name)
{
	unsigned c = 0;
	while (c < COMMAND_COUNT && strcmp(commands[c].name, name) != 0)
		c++;
	return (enum command_id)c;
}

enum option_id option_find(uint64_t mask, struct slice name)
{
	unsigned o = 0;
	while (o < OPTION_COUNT &&
	       ((options[o].commands & mask) == 0 || !slice_is(name, options[o].name)))
		o++;
	return (enum option_id)o;
}

enum option_id option_find_letter(uint64_t mask, char letter)
{
	unsigned o = 0;
	while (o < OPTION_COUNT &&
	       ((options[o].commands & mask) == 0 || options[o].letter != letter))
		o++;
	return (enum option_id)o;
}

/* Takes the part before the separator off *rest. */
static struct slice take_part(struct slice *rest, char separator)
{
	const char *at = rest->n != 0 ? memchr(rest->p, separator, rest->n) : NULL;
	struct slice part = {rest->p, at != NULL ? (size_t)(at - rest->p) : rest->n};
	size_t taken = at != NULL ? part.n + 1 : part.n;
	*rest = (struct slice){rest->p + taken, rest->n - taken};
	return part;
}

static bool is_choice(struct slice words, struct slice text)
{
	while (words.n != 0)
		if (slice_eq(take_part(&words, '|'), text))
			return true;
	return false;
}

static bool is_status(struct slice text)
{
	struct slice rest = text;
	uint64_t from, to;
	if (units_u64(take_part(&rest, '-'), &from) != ERR_OK)
		return false;
	to = from;
	if (rest.n != 0 && units_u64(rest, &to) != ERR_OK)
		return false;
	return from >= 100 && to <= 999 && from <= to;
}

static bool is_list(struct slice text, bool with_kinds)
{
	if (text.n == 0)
		return false;
	while (text.n != 0) {
		struct slice entry = take_part(&text, ',');
		if (!is_status(entry) && !(with_kinds && kind_entry_valid(entry)))
			return false;
	}
	return true;
}

static bool is_backoff(struct slice text)
{
	int64_t base, most;
	struct slice rest = text;
	if (units_duration(take_part(&rest, ':'), &base) != ERR_OK)
		return false;
	return rest.n == 0 || (units_duration(rest, &most) == ERR_OK && base <= most);
}

static bool in_range(const struct option_row *o, int64_t v)
{
	return (o->min == 0 && o->max == 0) || (v >= o->min && v <= o->max);
}

/* Whether it is of that type; *ret_v: the number of an INT, DURATION or SIZE. */
static bool is_of_type(const struct option_row *o, struct slice text, int64_t *ret_v)
{
	uint64_t number = 0;
	struct units_rate rate;
	switch (o->type) {
	case OPTION_TYPE_FLAG:
		return true;
	case OPTION_TYPE_STRING:
		return (int64_t)text.n >= o->min;
	case OPTION_TYPE_INT:
		if (units_u64(text, &number) != ERR_OK || number > INT64_MAX)
			return false;
		*ret_v = (int64_t)number;
		return true;
	case OPTION_TYPE_DURATION:
		return units_duration(text, ret_v) == ERR_OK;
	case OPTION_TYPE_SIZE:
		return units_size(text, ret_v) == ERR_OK;
	case OPTION_TYPE_RATE:
		return units_rate(text, &rate) == ERR_OK;
	case OPTION_TYPE_BACKOFF:
		return is_backoff(text);
	case OPTION_TYPE_LIST:
	case OPTION_TYPE_STATUSES:
		return is_list(text, o->type == OPTION_TYPE_LIST);
	case OPTION_TYPE_CHOICE:
		return is_choice(slice_of(o->arg), text);
	}
	return false;
}

enum err option_check(const struct option_row *o, struct slice text, struct bytes *ret_wanted)
{
	static const char *const wanted[] = {
		[OPTION_TYPE_FLAG] = "nothing",
		[OPTION_TYPE_STRING] = "",
		[OPTION_TYPE_INT] = "a whole number",
		[OPTION_TYPE_DURATION] = "a duration such as 250ms, 5s, 2m, 1h, 1d",
		[OPTION_TYPE_SIZE] = "a size such as 512, 64k, 16M, 1G",
		[OPTION_TYPE_RATE] = "a rate such as 5/s, 3/10s, 100/m, 1000/h",
		[OPTION_TYPE_BACKOFF] = "durations BASE[:MAX] such as 500ms:30s",
		[OPTION_TYPE_LIST] = "kinds and statuses such as read.timeout,429,500-599",
		[OPTION_TYPE_STATUSES] = "statuses such as 200-299,404",
		[OPTION_TYPE_CHOICE] = "one of ",
	};
	int64_t v = 0;
	bool is_number = o->type == OPTION_TYPE_INT || o->type == OPTION_TYPE_DURATION ||
			 o->type == OPTION_TYPE_SIZE;
	if (is_of_type(o, text, &v) && (!is_number || in_range(o, v)))
		return ERR_OK;
	bytes_add_str(ret_wanted, wanted[o->type]);
	if (o->type == OPTION_TYPE_CHOICE || o->type == OPTION_TYPE_STRING)
		bytes_add_str(ret_wanted, o->arg);
	if (o->type == OPTION_TYPE_SIZE && o->min > 0)
		bytes_printf(ret_wanted, ", at least %lld", (long long)o->min);
	if (o->type == OPTION_TYPE_INT && o->max != 0)
		bytes_printf(ret_wanted, " from %lld to %lld", (long long)o->min,
			     (long long)o->max);
	return ERR_INVALID;
}
