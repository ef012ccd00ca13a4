/*
 * credentials -- which fields are secrets, and to which origin they may go.
 *
 * What was given for one origin (scheme, host and port, RFC 6454) goes to that origin alone,
 * however redirects lead; when they lead back, it goes along again, as with curl. Userinfo of a
 * Location belongs to the URL it stands in.
 */
#pragma once

#include "model/url.h"

/*
 * Authorization, Cookie and every other name that people use for keys and tokens: anything with
 * "token", "secret", "api-key", "apikey", "auth", "password", "credential", "session" or
 * "signature" in it. Also what is masked in output.
 */
bool credentials_is_secret(struct slice field_name);
/* A secret that was given for that URL may be sent to this one. */
bool credentials_may_go(const struct url *given_for, const struct url *to);
/* Whether a field of the request goes along on a hop. */
bool credentials_keeps_field(struct slice field_name, const struct url *given_for,
			     const struct url *to);
