/*
 * tlsctx -- the client's side of TLS: which authorities are believed, who we are, which sessions
 * can be resumed, and a sentence for a person when a certificate is not to be trusted.
 *
 * Threads    the loop's. Verification: chain, name or address (no partial wildcards), dates; TLS
 *            1.2 at least (RFC 9325); ALPN says http/1.1.
 * Ownership  profiles are counted; an SSL holds its profile.
 */
#pragma once

#include "base/bytes.h"
#include "edge/exchange.h"

#include <openssl/ssl.h>

struct tlsctx;
struct tls_profile;

/*
 * ca_file replaces the authorities of the system; empty: $SSL_CERT_FILE if set, else the
 * system's. Errors: NOMEM; INVALID (that file cannot be read).
 */
enum err tlsctx_new(struct slice ca_file, struct tlsctx **ret);
void tlsctx_free(struct tlsctx *t);
/*
 * The profile of these options, made once for equal options. Errors: NOMEM; INVALID, and *ret_why
 * says which of the PEM texts is wrong.
 */
enum err tlsctx_profile(struct tlsctx *t, const struct xtls *o, struct tls_profile **ret,
			const char **ret_why);
void tls_profile_ref(struct tls_profile *p);
void tls_profile_unref(struct tls_profile *p);
/* Differs for profiles that must not share connections. */
uint64_t tls_profile_id(const struct tls_profile *p);

/*
 * An SSL ready to connect to that name or address, on which a session of peer_key is tried and
 * under which new ones are kept. NULL: memory.
 */
SSL *tls_profile_ssl(struct tls_profile *p, struct slice host, struct slice peer_key);
/*
 * Why a handshake on ssl failed: TLS_VERIFY or TLS_FAILED, and a sentence in out. lib_error is
 * ERR_get_error() of that moment, sys_error errno.
 */
enum kind tls_explain(SSL *ssl, unsigned long lib_error, int sys_error, struct bytes *out);
/* Before an SSL is freed without close_notify, so that its session stays good for resumption. */
void tls_keep_session(SSL *ssl);
