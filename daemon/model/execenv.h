/*
 * execenv -- which environment variables a job may set for a program it is allowed to run: none
 * that make the dynamic linker, a shell or an interpreter load something the job brings.
 * Pure. Threads: any.
 */
#pragma once

#include "base/bytes.h"

bool execenv_allowed(struct slice name);
