/*
 * fetch -- fetches URLs through musterd with libmuster: one job, its result lines as they come.
 *
 *	cc fetch.c $(pkg-config --cflags --libs muster) -o fetch
 *	./fetch https://example.org/ https://example.com/
 */
#define _GNU_SOURCE
#include <muster.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* `{"spec":{"run":{"gather":["URL","URL"]}}}`; URLs hold nothing that JSON has to escape. */
static char *job_of(int n, char **urls)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);
	if (f == NULL)
		return NULL;
	fputs("{\"spec\":{\"name\":\"libmuster\",\"run\":{\"gather\":[", f);
	for (int i = 0; i < n; i++)
		fprintf(f, "%s\"%s\"", i > 0 ? "," : "", urls[i]);
	fputs("]}}}", f);
	return fclose(f) == 0 ? text : NULL;
}

/* The value of a member as it stands in the text. A real program uses its JSON library. */
static const char *member(const struct muster_reply *r, const char *name)
{
	const char *at = memmem(r->result, r->n_result, name, strlen(name));
	return at != NULL ? at + strlen(name) : "";
}

/* Lines stand between the newlines of the answer, exactly as they are stored. */
static void print_lines(const struct muster_reply *r)
{
	const char *end = r->result + r->n_result;
	const char *line = memchr(r->result, '\n', r->n_result);
	while (line != NULL && ++line < end && *line == '{') {
		const char *stop = memchr(line, '\n', (size_t)(end - line));
		size_t n = stop != NULL ? (size_t)(stop - line) : (size_t)(end - line);
		printf("%.*s\n", (int)(n > 0 && line[n - 1] == ',' ? n - 1 : n), line);
		line = stop;
	}
}

/* Follows the job to its end; acknowledging lets the daemon drop what was printed. */
static enum muster_status follow(struct muster *m, const char *job, struct muster_reply *r)
{
	uint64_t after = 0;
	for (;;) {
		char params[128];
		snprintf(params, sizeof(params),
			 "{\"job\":\"%s\",\"after\":%" PRIu64 ",\"ack\":%" PRIu64
			 ",\"wait_ms\":20000}",
			 job, after, after);
		enum muster_status s = muster_call(m, "job.results", params, 30000, r);
		if (s != MUSTER_OK)
			return s;
		after = strtoull(member(r, "\"next\":"), NULL, 10);
		print_lines(r);
		if (strncmp(member(r, "\"done\":"), "true", 4) == 0)
			return MUSTER_OK;
	}
}

int main(int argc, char **argv)
{
	struct muster *m = NULL;
	struct muster_reply r;
	char job[32] = "";
	char *params = job_of(argc - 1, argv + 1);
	enum muster_status s = muster_open(&m, NULL);
	if (s == MUSTER_OK)
		s = muster_call(m, "job.submit", params, 10000, &r);
	if (s == MUSTER_OK && sscanf(member(&r, "\"job\":\""), "%31[a-z0-9]", job) == 1)
		s = follow(m, job, &r);
	if (s == MUSTER_REFUSED)
		fprintf(stderr, "fetch: %s (%s)\n", r.message, r.kind);
	else if (s != MUSTER_OK)
		fprintf(stderr, "fetch: %s\n", m != NULL ? muster_message(m) : "out of memory");
	muster_close(m);
	free(params);
	return s == MUSTER_OK ? 0 : 1;
}
