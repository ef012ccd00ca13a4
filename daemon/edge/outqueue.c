/*
 * outqueue -- frames waiting to be sent; see outqueue.h. Only the first frame may be half sent.
 */
#include "edge/outqueue.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SMALL_BYTES    512
#define GATHERED_BYTES (16u << 10)

/* One frame, and in `own` small ones behind it. */
struct frame {
	struct link link;
	size_t sent;
	struct bytes own;
	struct outshare *shared; /* or NULL: own is the body */
	int fd;			 /* goes with the first byte; -1: none, or it has gone */
	size_t n_head;
	unsigned char head[OUTQUEUE_HEAD_MAX];
};

static struct frame *frame_of(struct link *l)
{
	return LIST_ENTRY(l, struct frame, link);
}

static struct slice body_of(const struct frame *f)
{
	if (f->shared != NULL)
		return (struct slice){f->shared->p, f->shared->n};
	return bytes_slice(&f->own);
}

static size_t frame_size(const struct frame *f)
{
	return f->n_head + body_of(f).n;
}

void outshare_drop(struct outshare *s)
{
	if (s != NULL && --s->refs == 0)
		free(s);
}

static void file_gone(struct outqueue *q, struct frame *f)
{
	if (f->fd < 0)
		return;
	close(f->fd);
	f->fd = -1;
	q->n_files--;
}

static void frame_free(struct frame *f)
{
	bytes_fini(&f->own);
	outshare_drop(f->shared);
	free(f);
}

void outqueue_init(struct outqueue *q)
{
	*q = (struct outqueue){.n_frames = 0};
	list_init(&q->frames);
}

static void remove_frame(struct outqueue *q, struct frame *f)
{
	list_remove(&f->link);
	q->n_frames--;
	q->n_bytes -= frame_size(f) - f->sent;
	file_gone(q, f);
	frame_free(f);
}

void outqueue_fini(struct outqueue *q)
{
	LIST_EACH_SAFE (it, &q->frames)
		remove_frame(q, frame_of(it));
}

static struct frame *frame_new(const void *head, size_t n_head)
{
	CHECK(n_head <= OUTQUEUE_HEAD_MAX);
	struct frame *f = malloc(sizeof(*f));
	if (f == NULL)
		return NULL;
	f->sent = 0;
	f->own = (struct bytes){.n = 0};
	f->shared = NULL;
	f->fd = -1;
	f->n_head = n_head;
	memcpy(f->head, head, n_head);
	return f;
}

static void append(struct outqueue *q, struct frame *f)
{
	list_push_back(&q->frames, &f->link);
	q->n_frames++;
	q->n_bytes += frame_size(f);
}

enum err outqueue_push(struct outqueue *q, const void *head, size_t n_head, struct bytes *body)
{
	return outqueue_push_file(q, head, n_head, body, -1);
}

/*
 * A small frame goes behind the one before it, into the same memory: many small answers of a turn
 * become one piece of one write. False: it needs a frame of its own.
 */
static bool gather(struct outqueue *q, const void *head, size_t n_head, struct bytes *body)
{
	struct link *last = list_last(&q->frames);
	struct frame *f = last != NULL ? frame_of(last) : NULL;
	if (body->n > SMALL_BYTES || f == NULL || f->shared != NULL || f->fd >= 0 ||
	    f->own.n > GATHERED_BYTES)
		return false;
	size_t n = n_head + body->n;
	f->own.limit = 0;
	if (bytes_reserve(&f->own, f->own.n < GATHERED_BYTES / 4 ? n + f->own.n * 3 : n) !=
	    ERR_OK) {
		f->own.err = ERR_OK;
		return false;
	}
	bytes_add(&f->own, head, n_head);
	bytes_add_slice(&f->own, bytes_slice(body));
	q->n_bytes += n;
	bytes_fini(body);
	return true;
}

enum err outqueue_push_file(struct outqueue *q, const void *head, size_t n_head, struct bytes *body,
			    int fd)
{
	if (fd < 0 && gather(q, head, n_head, body))
		return ERR_OK;
	struct frame *f = frame_new(head, n_head);
	if (f == NULL) {
		bytes_fini(body);
		if (fd >= 0)
			close(fd);
		return ERR_NOMEM;
	}
	f->fd = fd;
	q->n_files += fd >= 0;
	f->own = *body;
	*body = (struct bytes){.limit = body->limit};
	append(q, f);
	return ERR_OK;
}

enum err outqueue_push_shared(struct outqueue *q, const void *head, size_t n_head,
			      struct outshare *body)
{
	struct frame *f = frame_new(head, n_head);
	if (f == NULL)
		return ERR_NOMEM;
	f->shared = body;
	body->refs++;
	append(q, f);
	return ERR_OK;
}

bool outqueue_drop_oldest(struct outqueue *q)
{
	LIST_EACH (it, &q->frames) {
		if (frame_of(it)->sent != 0)
			continue;
		remove_frame(q, frame_of(it));
		return true;
	}
	return false;
}

static int add_piece(struct iovec *v, int n, const void *p, size_t len)
{
	if (len == 0)
		return n;
	union {
		const void *from;
		void *to;
	} u = {.from = p}; /* writev reads only */
	v[n] = (struct iovec){.iov_base = u.to, .iov_len = len};
	return n + 1;
}

int outqueue_pieces(const struct outqueue *q, struct iovec v[OUTQUEUE_IOV], int *ret_fd)
{
	int n = 0;
	*ret_fd = -1;
	LIST_EACH (it, &q->frames) {
		const struct frame *f = frame_of(it);
		struct slice body = body_of(f);
		if (n + 2 > OUTQUEUE_IOV || (n > 0 && f->fd >= 0) || *ret_fd >= 0)
			break;
		*ret_fd = f->fd;
		if (f->sent < f->n_head) {
			n = add_piece(v, n, f->head + f->sent, f->n_head - f->sent);
			n = add_piece(v, n, body.p, body.n);
		} else {
			size_t at = f->sent - f->n_head;
			n = add_piece(v, n, body.p + at, body.n - at);
		}
	}
	return n;
}

void outqueue_sent(struct outqueue *q, size_t n)
{
	while (n > 0) {
		struct link *first = list_first(&q->frames);
		CHECK(first != NULL);
		struct frame *f = frame_of(first);
		size_t left = frame_size(f) - f->sent;
		size_t part = n < left ? n : left;
		f->sent += part;
		file_gone(q, f);
		q->n_bytes -= part;
		n -= part;
		if (part == left)
			remove_frame(q, f);
	}
}
