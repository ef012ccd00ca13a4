/*
 * notify -- tells the service manager how the daemon is (sd_notify, sd_watchdog_enabled); without
 * one every function does nothing. Threads: one.
 */
#pragma once

#include <stdint.h>

/* status: one line for people; may be NULL. */
void notify_ready(const char *status);
void notify_status(const char *status);
void notify_reloading(void);
void notify_stopping(void);
void notify_watchdog(void);
/* How often it wants to hear from us, at most; 0: never. */
int64_t notify_watchdog_ns(void);
/* Listening sockets that were handed over (LISTEN_FDS), by name or by order: the nth; -1: none. */
int notify_listen_fd(int n);
