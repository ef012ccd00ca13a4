/*
 * screen -- the terminal while a live view has it: a page of its own, no cursor, keys as they are
 * pressed; all as before once it is left, also by a signal.
 */
#pragma once

#include "client/frame.h"
#include "client/signals.h"

#include <stdint.h>
#include <termios.h>

enum screen_event {
	SCREEN_TICK,  /* the time is over, or the window has another size: draw */
	SCREEN_QUIT,  /* q */
	SCREEN_SIGNAL /* signals.first tells which */
};

struct screen {
	struct signals signals;
	struct termios before;
	int resize_fd;
	bool has_keys; /* standard input is a terminal */
};

/* Takes the terminal over. */
void screen_open(struct screen *s);
/* Gives it back. */
void screen_close(struct screen *s);
/* Waits for something to happen, at most that long. */
enum screen_event screen_wait(struct screen *s, int64_t until_ms);
/* Fills in size and abilities. Without a terminal: no bounds. */
void screen_measure(struct frame *f, bool is_terminal);
