/*
 * ask -- one question to the daemon, told to people when it fails. What every command is made of.
 */
#pragma once

#include "client/args.h"
#include "client/muster.h"
#include "client/status.h"

#include <jansson.h>

/* Opens the daemon the arguments name. On failure says so, with what to do next. */
enum status ask_open(const struct args *a, struct muster **ret);
/* The same for a given address. */
enum status ask_open_at(const struct args *a, const char *address, struct muster **ret);

/*
 * Calls and gives the result as a tree (the caller's). params may be NULL; its memory is freed.
 * On failure says why. timeout 30 s beyond what params ask to wait.
 */
enum status ask(struct muster *m, const char *method, json_t *params, json_t **ret);
/*
 * A list that comes page by page: the member `list` of all pages, as one array (the caller's). The
 * next page is asked for with `after`, which is what the last one called "next".
 */
enum status ask_pages(struct muster *m, const char *method, const char *list, json_t **ret);
/* Says why a call failed, and what that means for the exit. */
enum status ask_failed(const struct muster *m, const char *method, enum muster_status s,
		       const struct muster_reply *r);

/* Prints the text of a tree on stdout, on one line. */
enum status ask_print_json(const json_t *tree);
/* Writes all of it to stdout. SIGPIPE, where it is not blocked, ends the program as usual. */
enum status ask_print(const struct bytes *text);
