/*
 * serve -- the runner at work for one daemon: requests come in by a connection, programs run, their
 * ends go back. When the connection ends, so does everything that was started through it.
 */
#pragma once

/* Returns when the connection is gone and nothing of what it asked for is left. Owns fd. */
void serve(int fd);
