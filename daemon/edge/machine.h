/*
 * machine -- what the daemon asks of the machine it runs on: clocks, chance, names, directories,
 * limits. Everything that must be real stands here, so that nothing else need ask.
 * Threads: clocks any; the rest at start-up.
 */
#pragma once

#include "base/bytes.h"
#include "base/clock.h"

/* CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_REALTIME. */
extern const struct clock machine_clock;

/* From the kernel; aborts if there is none to be had. */
uint64_t machine_random(void);
/* 32 hex digits, new at every call. */
void machine_new_id(char ret[33]);
/* The same number until the machine is booted again; 0: unknown. */
uint64_t machine_boot(void);
uint32_t machine_uid(void);
uint32_t machine_pid(void);
/* Raises the limit of descriptors as far as it may go; returns it. */
uint64_t machine_raise_files(void);
void machine_ignore_sigpipe(void);
/* uid of a name, for `match.user` and `admins`; the type is rules_uid_of of model/rules.h. */
bool machine_uid_of(void *ctx, const char *name, int64_t *ret_uid);
/* Appends the path; one that is relative, from where we are now. IO, NOMEM. */
enum err machine_add_absolute(struct bytes *out, const char *path);
/* Makes the directory and those above it, private to this uid, unless it is there. Errors: IO,
 * DENIED (it belongs to another or is no directory), with a sentence. */
enum err machine_make_dir(const char *path, struct bytes *why);
/* Where state and socket are kept unless somebody says: as service, root or anybody. */
enum err machine_state_dir(struct bytes *out);
enum err machine_socket_path(struct bytes *out);
/* "libevent 2.1.12, OpenSSL 3.0.11, ..." */
void machine_libraries(struct bytes *out);
