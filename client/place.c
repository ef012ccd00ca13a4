/*
 * place -- see place.h. The options of `fetch` become members of a job (fetchjob.c); this is the
 * way back. Of members within each other the longer stands first.
 */
#include "client/place.h"

#include "client/say.h"

#include <string.h>

static const struct {
	const char *path;
	enum option_id option;
} row[] = {
	{"/defaults/fetch/auth", OPTION_USER},
	{"/defaults/fetch/body", OPTION_DATA},
	{"/defaults/fetch/connect_timeout", OPTION_CONNECT_TIMEOUT},
	{"/defaults/fetch/cookies", OPTION_COOKIE_JAR},
	{"/defaults/fetch/expect", OPTION_EXPECT},
	{"/defaults/fetch/first_byte_timeout", OPTION_FIRST_BYTE_TIMEOUT},
	{"/defaults/fetch/headers", OPTION_HEADER},
	{"/defaults/fetch/json", OPTION_JSON_BODY},
	{"/defaults/fetch/max_body", OPTION_MAX_BODY},
	{"/defaults/fetch/max_rate", OPTION_MAX_RATE},
	{"/defaults/fetch/max_redirects", OPTION_MAX_REDIRS},
	{"/defaults/fetch/method", OPTION_METHOD},
	{"/defaults/fetch/min_rate", OPTION_MIN_RATE},
	{"/defaults/fetch/mirrors", OPTION_FALLBACK},
	{"/defaults/fetch/multipart", OPTION_FORM},
	{"/defaults/fetch/proxy", OPTION_PROXY},
	{"/defaults/fetch/read_timeout", OPTION_READ_TIMEOUT},
	{"/defaults/fetch/resolve", OPTION_RESOLVE},
	{"/defaults/fetch/sha256", OPTION_SHA256},
	{"/defaults/fetch/timeout", OPTION_TIMEOUT},
	{"/defaults/fetch/tls/ca", OPTION_CACERT},
	{"/defaults/fetch/tls/key", OPTION_KEY},
	{"/defaults/fetch/tls", OPTION_CERT},
	{"/defaults/fetch/unix_socket", OPTION_UNIX_SOCKET},
	{"/defaults/fetch/upload", OPTION_UPLOAD},
	{"/defaults/retry/attempts", OPTION_RETRIES},
	{"/defaults/retry/backoff", OPTION_BACKOFF},
	{"/defaults/retry/max", OPTION_BACKOFF},
	{"/defaults/retry/on", OPTION_RETRY_ON},
	{"/run/each/do/retry", OPTION_RETRY_ON},
	{"/limits/burst", OPTION_BURST},
	{"/limits/concurrency", OPTION_CONCURRENCY},
	{"/limits/rate", OPTION_RATE},
	{"/deadline", OPTION_DEADLINE},
};

static bool is_below(const char *path, const char *member)
{
	size_t n = strlen(member);
	return strncmp(path, member, n) == 0 && (path[n] == '\0' || path[n] == '/');
}

/* Behind "line 1, column 2, at /path: ". */
static const char *sentence_of(const char *message)
{
	const char *end = strncmp(message, "line ", 5) == 0 ? strstr(message, ": ") : NULL;
	return end != NULL ? end + 2 : message;
}

/* What the user gave that value by. */
static bool say_option(const struct args *a, const struct muster_reply *r)
{
	size_t i = 0, n = sizeof(row) / sizeof(row[0]);
	while (i < n && !is_below(r->path, row[i].path))
		i++;
	if (i == n)
		return false;
	const char *what = sentence_of(r->message);
	if (row[i].option == OPTION_CACERT && !args_has(a, OPTION_CACERT))
		say("SSL_CERT_FILE of the environment: %s (%s)", what, r->kind);
	else if (row[i].option == OPTION_PROXY && !args_has(a, OPTION_PROXY))
		say("http_proxy and https_proxy of the environment: %s (%s)", what, r->kind);
	else
		say("--%s: %s (%s)", options[row[i].option].name, what, r->kind);
	return true;
}

bool place_say(const struct args *a, const char *file, const struct muster_reply *r)
{
	if (file == NULL)
		return say_option(a, r);
	if (r->line == 0)
		return false;
	say("%s: line %u, column %u%s%s: %s (%s)", strcmp(file, "-") == 0 ? "standard input" : file,
	    r->line, r->column, r->path[0] != '\0' ? ", at " : "", r->path, sentence_of(r->message),
	    r->kind);
	return true;
}
