/*
 * upload -- see upload.h.
 */
#include "client/upload.h"

#include "client/say.h"
#include "proto/jsonscan.h"
#include "proto/result.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PIECE_BYTES (768u << 10) /* 1 MiB in base64 */

void upload_list_fini(struct upload_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		if (l->source[i].fd > STDIN_FILENO)
			close(l->source[i].fd);
		bytes_fini(&l->source[i].text);
	}
	free(l->source);
	*l = (struct upload_list){.n = 0};
}

void upload_begin(struct upload_list *l, char ret_name[16])
{
	snprintf(ret_name, 16, "u%u", (unsigned)l->n_uploads++);
}

static struct upload_source *add_source(struct upload_list *l)
{
	struct upload_source *grown = realloc(l->source, (l->n + 1) * sizeof(*grown));
	if (grown == NULL)
		return NULL;
	l->source = grown;
	grown[l->n] = (struct upload_source){.upload = l->n_uploads - 1, .fd = -1};
	return &grown[l->n++];
}

enum err upload_add_file(struct upload_list *l, const char *path, bool drops_line_ends)
{
	bool is_stdin = strcmp(path, "-") == 0;
	int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return ERR_IO;
	struct upload_source *s = add_source(l);
	if (s == NULL) {
		if (!is_stdin)
			close(fd);
		return ERR_NOMEM;
	}
	s->path = is_stdin ? "standard input" : path;
	s->fd = fd;
	s->drops_line_ends = drops_line_ends;
	return ERR_OK;
}

enum err upload_add_text(struct upload_list *l, struct bytes *text)
{
	struct upload_source *s = add_source(l);
	if (s == NULL)
		return ERR_NOMEM;
	s->text = *text;
	*text = (struct bytes){.limit = 0};
	return ERR_OK;
}

/* ---- one upload on its way ---- */

struct sending {
	struct session *s;
	const char *job;
	uint32_t upload;
	uint64_t offset;
	struct bytes piece, params;
};

static size_t drop_line_ends(char *p, size_t n)
{
	size_t to = 0;
	for (size_t i = 0; i < n; i++)
		if (p[i] != '\r' && p[i] != '\n' && p[i] != '\0')
			p[to++] = p[i];
	return to;
}

static enum status send_piece(struct sending *x, bool is_end)
{
	struct muster_reply r;
	struct slice raw;
	enum status status;
	uint64_t next = 0;
	bytes_clear(&x->params);
	bytes_printf(&x->params, "{\"job\":\"%s\",\"upload\":\"u%u\",\"offset\":%llu,\"data\":\"",
		     x->job, (unsigned)x->upload, (unsigned long long)x->offset);
	result_add_base64(&x->params, bytes_slice(&x->piece));
	bytes_printf(&x->params, "\",\"end\":%s}", is_end ? "true" : "false");
	enum muster_status ms =
		session_call(x->s, "job.upload", bytes_cstr(&x->params), &r, &status);
	if (ms == MUSTER_REFUSED)
		return ask_failed(x->s->m, "job.upload", ms, &r);
	if (ms != MUSTER_OK)
		return status;
	if (!jsonscan_member((struct slice){r.result, r.n_result}, "next", &raw) ||
	    jsonscan_u64(raw, &next) != ERR_OK || next != x->offset + x->piece.n) {
		say("job.upload: the answer makes no sense");
		return STATUS_NO_DAEMON;
	}
	x->offset = next;
	bytes_clear(&x->piece);
	return STATUS_OK;
}

static enum status add_bytes(struct sending *x, const char *p, size_t n)
{
	enum status status = STATUS_OK;
	while (n > 0 && status == STATUS_OK) {
		size_t room = PIECE_BYTES - x->piece.n, take = n < room ? n : room;
		bytes_add(&x->piece, p, take);
		p += take;
		n -= take;
		if (x->piece.n == PIECE_BYTES)
			status = send_piece(x, false);
	}
	return status;
}

/* Waits until there is something to read; false: a signal has come. */
static bool wait_for(const struct sending *x, int fd)
{
	struct pollfd p[2] = {{fd, POLLIN, 0}, {x->s->signals->fd, POLLIN, 0}};
	while (poll(p, 2, -1) < 0 && errno == EINTR)
		;
	return p[1].revents == 0 || signals_take(x->s->signals) == 0;
}

static enum status add_file(struct sending *x, const struct upload_source *f)
{
	char buf[65536];
	enum status status = STATUS_OK;
	while (status == STATUS_OK) {
		if (!wait_for(x, f->fd))
			return STATUS_CANCELLED;
		ssize_t n = read(f->fd, buf, sizeof(buf));
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0) {
			say("cannot read %s: %s", f->path, strerror(errno));
			return STATUS_FAILED;
		}
		if (n == 0)
			return STATUS_OK;
		size_t kept = f->drops_line_ends ? drop_line_ends(buf, (size_t)n) : (size_t)n;
		status = add_bytes(x, buf, kept);
	}
	return status;
}

static enum status send_one(struct sending *x, const struct upload_list *l)
{
	enum status status = STATUS_OK;
	x->offset = 0;
	bytes_clear(&x->piece);
	for (size_t i = 0; i < l->n && status == STATUS_OK; i++) {
		const struct upload_source *f = &l->source[i];
		if (f->upload == x->upload)
			status = f->path != NULL ? add_file(x, f)
						 : add_bytes(x, f->text.p, f->text.n);
	}
	return status == STATUS_OK ? send_piece(x, true) : status;
}

/* Without its uploads the job is of no use. */
static void cancel(struct sending *x)
{
	struct muster_reply r;
	enum status status;
	bytes_clear(&x->params);
	bytes_printf(&x->params, "{\"job\":\"%s\"}", x->job);
	session_call(x->s, "job.cancel", bytes_cstr(&x->params), &r, &status);
}

enum status upload_send(struct session *s, const struct upload_list *l, const char *job)
{
	struct sending x = {.s = s, .job = job};
	enum status status = STATUS_OK;
	for (x.upload = 0; x.upload < l->n_uploads && status == STATUS_OK; x.upload++)
		status = send_one(&x, l);
	if (status != STATUS_OK)
		cancel(&x);
	bytes_fini(&x.piece);
	bytes_fini(&x.params);
	return status;
}
