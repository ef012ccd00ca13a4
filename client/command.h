/*
 * command -- one function per command of commands.def. Each gives the exit status of the process,
 * or below 0 the negated signal it has to die of; what went wrong has been said.
 */
#pragma once

#include "client/args.h"

int command_fetch(const struct args *a);
int command_submit(const struct args *a);
int command_jobs(const struct args *a);
int command_show(const struct args *a);
int command_results(const struct args *a);
int command_body(const struct args *a);
int command_wait(const struct args *a);
/* cancel pause resume retry forget: one request that names a job. */
int command_job(const struct args *a);
int command_explain(const struct args *a);
/* Named objects. */
int command_event(const struct args *a);
int command_queue(const struct args *a);
int command_watch(const struct args *a);
int command_top(const struct args *a);
/* ping info stats reload drain: one request to the daemon. */
int command_daemon(const struct args *a);
int command_actors(const struct args *a);
int command_config(const struct args *a);
int command_version(const struct args *a);
