/*
 * frame -- one picture of a live view, made of lines of styled cells and cut to the window. The
 * same picture without a window is plain text for files and pipes.
 *
 * Text may come from strangers: control characters never reach the terminal.
 */
#pragma once

#include "base/bytes.h"

#include <stdbool.h>

enum style { STYLE_PLAIN, STYLE_BOLD, STYLE_DIM, STYLE_GOOD, STYLE_BAD, STYLE_WARN, STYLES };

struct frame {
	struct bytes out;
	unsigned columns, rows; /* of the window; UINT_MAX: there is none */
	unsigned column, row;	/* where the next cell begins */
	bool is_terminal, has_colours, has_utf8;
};

/* Cells have at most this many columns; a stretched one in plain text as many as it needs. */
#define FRAME_CELL_MAX 400

void frame_begin(struct frame *f);
/*
 * A cell and a space behind it. width 0: as long as the text; above: to the left, below 0: to the
 * right of so many columns, cut if longer.
 */
void frame_cell(struct frame *f, int width, enum style style, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* A bar of so many columns, part of it (0 to 1) filled, and a space. */
void frame_bar(struct frame *f, unsigned width, enum style style, double part);
void frame_line(struct frame *f);
/* A bold line of its own, with an empty one before. */
void frame_title(struct frame *f, const char *text);
/* Whatever of the window is below becomes empty. */
void frame_end(struct frame *f);
/* Columns left of this line, lines left of the window (also for lines that follow later). */
unsigned frame_columns_left(const struct frame *f);
unsigned frame_rows_left(const struct frame *f);
