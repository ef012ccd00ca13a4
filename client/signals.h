/*
 * signals -- SIGINT and SIGTERM as something to poll, SIGPIPE as an error of write(2).
 *
 * Signals that whoever started us had ignored stay ignored (nohup, background jobs of sh).
 */
#pragma once

struct signals {
	int fd;	   /* readable when one has come */
	int first; /* the first that came; 0 = none */
};

/* Blocks the signals and opens the descriptor; fd is -1 if that failed. */
void signals_open(struct signals *s);
/* Takes what has come: the number of a signal, or 0. Remembers the first. */
int signals_take(struct signals *s);
/* Ends the process as that signal does by default. Does not return. */
_Noreturn void signals_die(int signo);
/* For a child between fork and exec: as if we had never touched them. */
void signals_restore(void);
