/*
 * progress -- see progress.h.
 */
#include "client/progress.h"

#include "client/say.h"
#include "proto/units.h"

#include <string.h>
#include <sys/ioctl.h>
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

/* Of the last seconds; as long as that is unknown, of all the time. */
static double speed(struct progress *p, uint64_t done, int64_t now_ms)
{
	double seconds = (double)(now_ms - p->started_ms) / 1000;
	rates_begin(&p->rates);
	double per_s = rates_of(&p->rates, "done", (int64_t)done, now_ms);
	if (per_s < 0 || seconds < 2)
		per_s = seconds > 0 ? (double)done / seconds : 0;
	return per_s;
}

static void add_text(struct progress *p, int64_t now_ms, struct bytes *out)
{
	const struct lines_head *h = &p->head;
	uint64_t done = h->ok + h->failed + h->cancelled;
	double per_s = speed(p, done, now_ms);
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
	/* Keys of a job itself have made-up names. */
	if (strncmp(p->held_by, "job:", 4) == 0)
		bytes_add_str(out, " for its own limit");
	else if (p->held_by[0] != '\0')
		bytes_printf(out, " for %s", p->held_by);
}

/* A line that is longer than the window would be left behind when the next is drawn. */
static void cut(struct bytes *out, size_t from)
{
	struct winsize w;
	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 1 &&
	    out->n - from > (size_t)w.ws_col - 1)
		out->n = from + w.ws_col - 1;
}

void progress_draw(struct progress *p, int64_t now_ms, bool must)
{
	if (!p->is_on || (!must && now_ms - p->drawn_ms < every_ms(p)))
		return;
	struct bytes out = {.limit = 0};
	if (p->is_terminal)
		bytes_add_str(&out, "\r\033[K");
	size_t from = out.n;
	add_text(p, now_ms, &out);
	if (p->is_terminal)
		cut(&out, from);
	else
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
	p->held_by[0] = '\0';
	progress_draw(p, now_ms, true);
	rates_fini(&p->rates);
	if (p->is_terminal) {
		ssize_t n = write(STDERR_FILENO, "\n", 1);
		(void)n;
	}
	p->is_on = false;
}
