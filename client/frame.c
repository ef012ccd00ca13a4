/*
 * frame -- see frame.h. A terminal's lines are overwritten where they stand and erased only behind
 * their end, so that nothing flickers.
 */
#include "client/frame.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const escape[STYLES] = {
	[STYLE_PLAIN] = "",	   [STYLE_BOLD] = "\033[1m", [STYLE_DIM] = "\033[2m",
	[STYLE_GOOD] = "\033[32m", [STYLE_BAD] = "\033[31m", [STYLE_WARN] = "\033[33m",
};

static bool is_visible(const struct frame *f)
{
	return f->row < f->rows;
}

void frame_begin(struct frame *f)
{
	bytes_clear(&f->out);
	f->column = f->row = 0;
	/* Synchronised output, where the terminal knows it: one picture at a time. */
	if (f->is_terminal)
		bytes_add_str(&f->out, "\033[?2026h\033[H");
}

unsigned frame_columns_left(const struct frame *f)
{
	return f->columns > f->column ? f->columns - f->column : 0;
}

unsigned frame_rows_left(const struct frame *f)
{
	return f->rows > f->row ? f->rows - f->row : 0;
}

static void add_spaces(struct frame *f, unsigned n)
{
	for (unsigned left = frame_columns_left(f); n > 0 && left > 0; n--, left--) {
		bytes_add_byte(&f->out, ' ');
		f->column++;
	}
}

static bool starts_character(char c)
{
	return ((unsigned char)c & 0xc0) != 0x80;
}

static unsigned width_of(const char *text)
{
	unsigned n = 0;
	for (; *text != '\0'; text++)
		n += starts_character(*text);
	return n;
}

/* At most max columns of the text. */
static void add_text(struct frame *f, const char *text, unsigned max)
{
	for (unsigned n = 0; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;
		if (starts_character(*text) && n++ == max)
			return;
		if (starts_character(*text))
			f->column++;
		bytes_add_byte(&f->out, c < 0x20 || c == 0x7f ? '?' : *text);
	}
}

static void style_on(struct frame *f, enum style s)
{
	if (f->has_colours)
		bytes_add_str(&f->out, escape[s]);
}

static void style_off(struct frame *f, enum style s)
{
	if (f->has_colours && s != STYLE_PLAIN)
		bytes_add_str(&f->out, "\033[0m");
}

void frame_cell(struct frame *f, int width, enum style style, const char *fmt, ...)
{
	char text[FRAME_CELL_MAX];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (!is_visible(f))
		return;
	unsigned have = width_of(text);
	unsigned want = width == 0 ? have : (unsigned)(width < 0 ? -width : width);
	unsigned shown = have < want ? have : want;
	if (width < 0)
		add_spaces(f, want - shown);
	unsigned left = frame_columns_left(f);
	style_on(f, style);
	add_text(f, text, shown < left ? shown : left);
	style_off(f, style);
	if (width > 0)
		add_spaces(f, want - shown);
	add_spaces(f, 1);
}

static void add_bar(struct frame *f, unsigned width, double part)
{
	static const char *const eighth[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
	unsigned n = (unsigned)(part * width * 8 + 0.5), full = n / 8, drawn = full;
	for (unsigned i = 0; i < full; i++)
		bytes_add_str(&f->out, f->has_utf8 ? "█" : "#");
	if (n % 8 != 0 && full < width) {
		bytes_add_str(&f->out, f->has_utf8 ? eighth[n % 8] : n % 8 >= 4 ? "=" : "-");
		drawn++;
	}
	for (; drawn < width; drawn++)
		bytes_add_str(&f->out, f->has_utf8 ? "·" : ".");
	f->column += width;
}

void frame_bar(struct frame *f, unsigned width, enum style style, double part)
{
	unsigned left = frame_columns_left(f);
	if (!is_visible(f))
		return;
	width = width < left ? width : left;
	style_on(f, style);
	add_bar(f, width, part < 0 ? 0 : part > 1 ? 1 : part);
	style_off(f, style);
	add_spaces(f, 1);
}

void frame_line(struct frame *f)
{
	if (!is_visible(f))
		return;
	f->row++;
	f->column = 0;
	while (!f->has_colours && f->out.n > 0 && f->out.p[f->out.n - 1] == ' ')
		f->out.n--;
	if (!f->is_terminal)
		bytes_add_byte(&f->out, '\n');
	else
		bytes_add_str(&f->out, is_visible(f) ? "\033[K\r\n" : "\033[K");
}

void frame_title(struct frame *f, const char *text)
{
	frame_line(f);
	frame_cell(f, 0, STYLE_BOLD, "%s", text);
	frame_line(f);
}

void frame_end(struct frame *f)
{
	if (f->is_terminal)
		bytes_add_str(&f->out, is_visible(f) ? "\033[J\033[?2026l" : "\033[?2026l");
}
