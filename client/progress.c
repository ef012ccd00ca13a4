/*
 * progress -- see progress.h.
 */
#include "client/progress.h"

#include "client/say.h"
#include "proto/units.h"

#include <unistd.h>

#define TERMINAL_EVERY_MS 200
#define LINE_EVERY_MS	  1000

void progress_start(struct progress *p, bool is_on, int64_t now_ms)
{
	*p = (struct progress){.is_on = is_on,
			       .is_terminal = say_is_terminal(STDERR_FILENO),
			       .started_ms = now_ms,
			       .drawn_ms = now_ms};
}

static int64_t every_ms(const struct progress *p)
{
	return p->is_terminal ? TERMINAL_EVERY_MS : LINE_EVERY_MS;
}

int progress_wait_ms(const struct progress *p, int64_t now_ms)
{
	if (!p->is_on)
		return -1;
	int64_t left = p->drawn_ms + every_ms(p) - now_ms;
	return left > 0 ? (int)left : 0;
}

static void add_text(const struct progress *p, int64_t now_ms, struct bytes *out)
{
	const struct lines_head *h = &p->head;
	uint64_t done = h->ok + h->failed + h->cancelled;
	double seconds = (double)(now_ms - p->started_ms) / 1000;
	double per_s = seconds > 0 ? (double)done / seconds : 0;
	if (p->is_total_known && h->total >= done)
		bytes_printf(out, "%llu of %llu done", (unsigned long long)done,
			     (unsigned long long)h->total);
	else
		bytes_printf(out, "%llu done", (unsigned long long)done);
	bytes_printf(out, ", %llu failed, %.1f/s", (unsigned long long)h->failed, per_s);
	if (p->is_total_known && per_s > 0 && h->total > done) {
		bytes_add_str(out, ", ");
		units_add_elapsed(out, (int64_t)((double)(h->total - done) / per_s * 1000));
		bytes_add_str(out, " left");
	}
	if (h->waiting != 0)
		bytes_printf(out, ", %llu waiting", (unsigned long long)h->waiting);
	if (h->waiting_for[0] != '\0')
		bytes_printf(out, ", waiting for %s", h->waiting_for);
}

void progress_draw(struct progress *p, int64_t now_ms, bool must)
{
	if (!p->is_on || (!must && now_ms - p->drawn_ms < every_ms(p)))
		return;
	struct bytes out = {.limit = 0};
	if (p->is_terminal)
		bytes_add_str(&out, "\r\033[K");
	add_text(p, now_ms, &out);
	if (!p->is_terminal)
		bytes_add_byte(&out, '\n');
	ssize_t n = write(STDERR_FILENO, out.p, out.n);
	(void)n; /* a lost line of progress is no loss */
	bytes_fini(&out);
	p->drawn_ms = now_ms;
	p->is_drawn = true;
}

void progress_end(struct progress *p, int64_t now_ms)
{
	if (!p->is_on)
		return;
	progress_draw(p, now_ms, true);
	if (p->is_terminal) {
		ssize_t n = write(STDERR_FILENO, "\n", 1);
		(void)n;
	}
	p->is_on = false;
}
