/*
 * fetchjob -- the options of `muster fetch` as a job: one `each` over what is fed.
 */
#pragma once

#include "client/args.h"
#include "client/proxyenv.h"
#include "client/status.h"

/*
 * Appends the JSON of the job. Files the options name are read here. *ret_proxy is set, and
 * *ret_has_proxy true, if items have to be given the proxies of the environment. Failures are
 * said: USAGE.
 */
enum status fetchjob_add(struct bytes *out, const struct args *a, struct proxyenv *ret_proxy,
			 bool *ret_has_proxy);
