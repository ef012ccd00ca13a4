/*
 * fetchjob -- the options of `muster fetch` as a job: one `each` over what is fed.
 */
#pragma once

#include "client/args.h"
#include "client/proxyenv.h"
#include "client/status.h"
#include "client/upload.h"

/* What does not stand in the job. */
struct fetchjob_rest {
	struct proxyenv proxy; /* if has_proxy: items have to be given the environment's */
	bool has_proxy;
	struct upload_list uploads; /* the caller's: upload_list_fini */
};

/*
 * Appends the JSON of the job. Files the options name are opened here, small ones read. *rest is
 * zero before. Failures are said: USAGE.
 */
enum status fetchjob_add(struct bytes *out, const struct args *a, struct fetchjob_rest *rest);
