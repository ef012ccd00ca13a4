/*
 * deliver -- what fetch and submit share: a job is submitted, fed, followed to its end, and the
 * private daemon of --standalone is started before and ended after.
 */
#pragma once

#include "client/args.h"
#include "client/feed.h"
#include "client/session.h"
#include "client/upload.h"

#include <jansson.h>

struct delivery {
	const struct args *a;
	struct bytes params; /* of job.submit, without its closing brace: `{"spec":...` */
	struct feed *feed;   /* NULL: none */
	const struct upload_list *uploads; /* NULL: none; sent before the items */
	bool is_one_url;		   /* -o may name a file */
	const char *file;		   /* of the job; NULL: made of options */
};

/* The exit status, or below 0 a signal. Takes over params. */
int deliver(struct delivery *d);
