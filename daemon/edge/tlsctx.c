#include "edge/tlsctx.h"

#include "base/check.h"
#include "base/table.h"
#include "model/special.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SESSIONS 1024 /* of one profile; all are dropped when there are more */
#define MAX_PROFILES 256  /* kept for their next use */

struct tlsctx {
	struct table profiles; /* by their options */
	char *ca_file;
	uint64_t next_id;
	int peer_index;		   /* where struct tls_peer hangs on an SSL */
	struct tls_profile *usual; /* of no options */
};

struct tls_profile {
	SSL_CTX *ctx;
	struct table sessions; /* SSL_SESSION by peer key */
	uint64_t id;
	uint32_t refs;
	int peer_index;
	bool insecure;
};

/* Hangs on an SSL; freed with it. */
struct tls_peer {
	struct tls_profile *profile;
	char *key;
	char *host;
	char why[256]; /* of a refused certificate */
};

static struct tls_peer *peer_of(const SSL *ssl)
{
	const struct tls_profile *p = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	return SSL_get_ex_data(ssl, p->peer_index);
}

static void drop_sessions(struct tls_profile *p)
{
	TABLE_EACH (e, &p->sessions) {
		SSL_SESSION_free(e->value);
	}
	table_fini(&p->sessions);
	table_init(&p->sessions, p->id);
}

static int on_new_session(SSL *ssl, SSL_SESSION *s)
{
	struct tls_peer *peer = peer_of(ssl);
	void *old = NULL;
	if (peer == NULL)
		return 0;
	struct tls_profile *p = peer->profile;
	if (table_count(&p->sessions) >= MAX_SESSIONS)
		drop_sessions(p);
	if (table_put(&p->sessions, slice_of(peer->key), s, &old) != ERR_OK)
		return 0;
	SSL_SESSION_free(old);
	return 1; /* the table holds it now */
}

static void date_text(const ASN1_TIME *t, char out[static 32])
{
	struct tm tm;
	if (t == NULL || ASN1_TIME_to_tm(t, &tm) != 1 || strftime(out, 32, "%Y-%m-%d", &tm) == 0)
		strcpy(out, "an unknown date");
}

static void say_date(struct tls_peer *peer, X509 *cert, bool expired)
{
	char date[32];
	date_text(expired ? X509_get0_notAfter(cert) : X509_get0_notBefore(cert), date);
	snprintf(peer->why, sizeof(peer->why),
		 expired ? "certificate of %.100s expired on %s"
			 : "certificate of %.100s is not valid before %s",
		 peer->host, date);
}

/* "a.example", or "192.0.2.1"; only what can be shown. False: it is neither. */
static bool name_text(const GENERAL_NAME *name, char out[static 64])
{
	const ASN1_STRING *s = name->type == GEN_DNS	 ? name->d.dNSName
			       : name->type == GEN_IPADD ? name->d.iPAddress
							 : NULL;
	int n = s != NULL ? ASN1_STRING_length(s) : 0;
	const unsigned char *p = s != NULL ? ASN1_STRING_get0_data(s) : NULL;
	if (name->type == GEN_IPADD && (n == 4 || n == 16))
		return inet_ntop(n == 4 ? AF_INET : AF_INET6, p, out, 64) != NULL;
	if (name->type != GEN_DNS || n <= 0 || n >= 64)
		return false;
	for (int i = 0; i < n; i++)
		out[i] = (char)(p[i] > ' ' && p[i] < 0x7f ? p[i] : '?');
	out[n] = '\0';
	return true;
}

#define NAMES_TOLD 4

static void say_names(struct tls_peer *peer, X509 *cert)
{
	GENERAL_NAMES *names =
		cert != NULL ? X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL) : NULL;
	int told = 0, n = names != NULL ? sk_GENERAL_NAME_num(names) : 0;
	size_t at = (size_t)snprintf(peer->why, sizeof(peer->why), "certificate is not for %.100s",
				     peer->host);
	for (int i = 0; i < n && told <= NAMES_TOLD && at < sizeof(peer->why); i++) {
		char name[64];
		if (!name_text(sk_GENERAL_NAME_value(names, i), name))
			continue;
		at += (size_t)snprintf(peer->why + at, sizeof(peer->why) - at, "%s%s",
				       told == 0 ? " but for " : ", ",
				       told == NAMES_TOLD ? "others" : name);
		told++;
	}
	GENERAL_NAMES_free(names);
}

static void say_verify_error(struct tls_peer *peer, int err, X509 *cert)
{
	const char *form = "certificate of %.100s is not to be trusted: %s";
	switch (err) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
	case X509_V_ERR_CERT_NOT_YET_VALID:
		say_date(peer, cert, err == X509_V_ERR_CERT_HAS_EXPIRED);
		return;
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		say_names(peer, cert);
		return;
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
		form = "certificate of %.100s is self-signed: %s";
		break;
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
		form = "certificate of %.100s comes from an unknown authority: %s";
		break;
	default:
		break;
	}
	snprintf(peer->why, sizeof(peer->why), form, peer->host,
		 X509_verify_cert_error_string(err));
}

static int on_verify(int ok, X509_STORE_CTX *store)
{
	if (ok)
		return 1;
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tls_peer *peer = ssl != NULL ? peer_of(ssl) : NULL;
	if (peer != NULL && peer->why[0] == '\0')
		say_verify_error(peer, X509_STORE_CTX_get_error(store),
				 X509_STORE_CTX_get_current_cert(store));
	return 0;
}

static bool add_authorities(SSL_CTX *ctx, struct slice pem)
{
	BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
	if (bio == NULL)
		return false;
	X509_STORE *store = SSL_CTX_get_cert_store(ctx);
	X509 *cert;
	size_t n = 0;
	while ((cert = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
		n += X509_STORE_add_cert(store, cert) == 1;
		X509_free(cert);
	}
	ERR_clear_error();
	BIO_free(bio);
	return n > 0;
}

static bool use_certificate(SSL_CTX *ctx, struct slice pem)
{
	BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
	X509 *cert = bio != NULL ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	bool ok = cert != NULL && SSL_CTX_use_certificate(ctx, cert) == 1;
	X509_free(cert);
	while (ok && (cert = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL)
		if (SSL_CTX_add0_chain_cert(ctx, cert) != 1) {
			X509_free(cert);
			ok = false;
		}
	ERR_clear_error();
	BIO_free(bio);
	return ok;
}

static bool use_key(SSL_CTX *ctx, struct slice pem)
{
	BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
	EVP_PKEY *key = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;
	bool ok = key != NULL && SSL_CTX_use_PrivateKey(ctx, key) == 1 &&
		  SSL_CTX_check_private_key(ctx) == 1;
	EVP_PKEY_free(key);
	BIO_free(bio);
	ERR_clear_error();
	return ok;
}

static bool believe(const struct tlsctx *t, SSL_CTX *ctx, struct slice ca_pem)
{
	if (ca_pem.n > 0)
		return add_authorities(ctx, ca_pem);
	if (t->ca_file != NULL)
		return SSL_CTX_load_verify_locations(ctx, t->ca_file, NULL) == 1;
	return SSL_CTX_set_default_verify_paths(ctx) == 1;
}

static const char *configure(const struct tlsctx *t, SSL_CTX *ctx, const struct xtls *o)
{
	static const unsigned char alpn[] = "\x08http/1.1";
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ctx, on_new_session);
	SSL_CTX_set_alpn_protos(ctx, alpn, sizeof(alpn) - 1);
	SSL_CTX_set_verify(ctx, o->insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER,
			   o->insecure ? NULL : on_verify);
	if (!o->insecure && !believe(t, ctx, o->ca_pem))
		return "the authorities given as ca are not certificates in PEM";
	if (o->cert_pem.n > 0 && !use_certificate(ctx, o->cert_pem))
		return "the client certificate is not a certificate in PEM";
	struct slice key = o->key_pem.n > 0 ? o->key_pem : o->cert_pem;
	if (o->cert_pem.n > 0 && !use_key(ctx, key))
		return "the client key is not the key of the client certificate, in PEM";
	return NULL;
}

static void profile_free(struct tls_profile *p)
{
	if (p == NULL)
		return;
	drop_sessions(p);
	table_fini(&p->sessions);
	SSL_CTX_free(p->ctx);
	free(p);
}

static enum err profile_new(struct tlsctx *t, const struct xtls *o, struct tls_profile **ret,
			    const char **ret_why)
{
	struct tls_profile *p = calloc(1, sizeof(*p));
	if (p == NULL)
		return ERR_NOMEM;
	p->id = ++t->next_id;
	p->refs = 1;
	p->insecure = o->insecure;
	p->peer_index = t->peer_index;
	table_init(&p->sessions, p->id);
	p->ctx = SSL_CTX_new(TLS_client_method());
	if (p->ctx == NULL) {
		profile_free(p);
		return ERR_NOMEM;
	}
	SSL_CTX_set_app_data(p->ctx, p);
	const char *why = configure(t, p->ctx, o);
	ERR_clear_error();
	if (why != NULL) {
		profile_free(p);
		*ret_why = why;
		return ERR_INVALID;
	}
	*ret = p;
	return ERR_OK;
}

static void on_ssl_freed(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl,
			 void *argp)
{
	(void)parent;
	(void)ad;
	(void)idx;
	(void)argl;
	(void)argp;
	struct tls_peer *peer = ptr;
	if (peer == NULL)
		return;
	free(peer->key);
	free(peer->host);
	tls_profile_unref(peer->profile);
	free(peer);
}

enum err tlsctx_new(struct slice ca_file, struct tlsctx **ret)
{
	struct tlsctx *t = calloc(1, sizeof(*t));
	if (t == NULL)
		return ERR_NOMEM;
	table_init(&t->profiles, 0);
	t->peer_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, on_ssl_freed);
	if (t->peer_index < 0) {
		free(t);
		return ERR_NOMEM;
	}
	const char *env = getenv("SSL_CERT_FILE");
	if (ca_file.n == 0 && env != NULL)
		ca_file = slice_of(env);
	if (ca_file.n > 0)
		t->ca_file = strndup(ca_file.p, ca_file.n);
	const char *why = NULL;
	enum err e = ca_file.n > 0 && t->ca_file == NULL
			     ? ERR_NOMEM
			     : profile_new(t, &(struct xtls){0}, &t->usual, &why);
	if (e != ERR_OK) {
		tlsctx_free(t);
		return e;
	}
	*ret = t;
	return ERR_OK;
}

static void drop_profiles(struct tlsctx *t)
{
	TABLE_EACH (e, &t->profiles) {
		tls_profile_unref(e->value);
	}
	table_fini(&t->profiles);
}

void tlsctx_free(struct tlsctx *t)
{
	if (t == NULL)
		return;
	drop_profiles(t);
	tls_profile_unref(t->usual);
	free(t->ca_file);
	free(t);
}

/* Equal options, equal bytes: lengths keep the texts apart. */
static enum err options_key(const struct xtls *o, struct bytes *out)
{
	bytes_printf(out, "%d %zu %zu %zu ", o->insecure, o->ca_pem.n, o->cert_pem.n, o->key_pem.n);
	bytes_add_slice(out, o->ca_pem);
	bytes_add_slice(out, o->cert_pem);
	return bytes_add_slice(out, o->key_pem);
}

static enum err keep_profile(struct tlsctx *t, struct slice key, struct tls_profile *p)
{
	if (table_count(&t->profiles) >= MAX_PROFILES) {
		drop_profiles(t);
		table_init(&t->profiles, 0);
	}
	enum err e = table_put(&t->profiles, key, p, NULL);
	if (e == ERR_OK)
		tls_profile_ref(p);
	return e;
}

enum err tlsctx_profile(struct tlsctx *t, const struct xtls *o, struct tls_profile **ret,
			const char **ret_why)
{
	if (!o->insecure && o->ca_pem.n == 0 && o->cert_pem.n == 0) {
		tls_profile_ref(t->usual);
		*ret = t->usual;
		return ERR_OK;
	}
	struct bytes key = BYTES_LIMIT(4 << 20);
	enum err e = options_key(o, &key);
	struct tls_profile *p = e == ERR_OK ? table_get(&t->profiles, bytes_slice(&key)) : NULL;
	if (p != NULL) {
		tls_profile_ref(p);
	} else if (e == ERR_OK) {
		e = profile_new(t, o, &p, ret_why);
		if (e == ERR_OK)
			e = keep_profile(t, bytes_slice(&key), p);
	}
	bytes_fini(&key);
	if (e == ERR_OK)
		*ret = p;
	return e;
}

void tls_profile_ref(struct tls_profile *p)
{
	p->refs++;
}

void tls_profile_unref(struct tls_profile *p)
{
	if (p != NULL && --p->refs == 0)
		profile_free(p);
}

uint64_t tls_profile_id(const struct tls_profile *p)
{
	return p->id;
}

static bool check_name(SSL *ssl, const struct tls_peer *peer)
{
	struct net_addr addr;
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
	if (net_addr_parse(slice_of(peer->host), &addr) == ERR_OK)
		return X509_VERIFY_PARAM_set1_ip(param, addr.b, addr.is_v6 ? 16 : 4) == 1;
	X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return SSL_set1_host(ssl, peer->host) == 1 &&
	       SSL_set_tlsext_host_name(ssl, peer->host) == 1;
}

static struct tls_peer *peer_new(struct tls_profile *p, struct slice host, struct slice key)
{
	struct tls_peer *peer = calloc(1, sizeof(*peer));
	if (peer == NULL)
		return NULL;
	peer->key = strndup(key.p, key.n);
	peer->host = strndup(host.p, host.n);
	peer->profile = p;
	tls_profile_ref(p);
	return peer;
}

SSL *tls_profile_ssl(struct tls_profile *p, struct slice host, struct slice peer_key)
{
	SSL *ssl = SSL_new(p->ctx);
	struct tls_peer *peer = ssl != NULL ? peer_new(p, host, peer_key) : NULL;
	if (peer == NULL || SSL_set_ex_data(ssl, p->peer_index, peer) != 1) {
		SSL_free(ssl);
		return NULL;
	}
	if (peer->key == NULL || peer->host == NULL || !check_name(ssl, peer)) {
		ERR_clear_error();
		SSL_free(ssl);
		return NULL;
	}
	SSL_SESSION *s = table_get(&p->sessions, peer_key);
	if (s != NULL)
		SSL_set_session(ssl, s);
	SSL_set_connect_state(ssl);
	return ssl;
}

/* The reasons a person meets most often, in words; the others as OpenSSL says them. */
static const char *reason_text(unsigned long lib_error)
{
	switch (ERR_GET_REASON(lib_error)) {
	case SSL_R_WRONG_VERSION_NUMBER:
	case SSL_R_PACKET_LENGTH_TOO_LONG:
	case SSL_R_HTTP_REQUEST:
		return "it does not speak TLS at that port";
	case SSL_R_UNSUPPORTED_PROTOCOL:
	case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
		return "it offers no version of TLS that is still safe (1.2 or 1.3)";
	case SSL_R_UNEXPECTED_EOF_WHILE_READING:
		return "it closed the connection";
	default: {
		const char *s = ERR_reason_error_string(lib_error);
		return s != NULL ? s : "unknown reason";
	}
	}
}

enum kind tls_explain(SSL *ssl, unsigned long lib_error, int sys_error, struct bytes *out)
{
	const struct tls_peer *peer = peer_of(ssl);
	if (peer->why[0] != '\0') {
		bytes_add_str(out, peer->why);
		return KIND_TLS_VERIFY;
	}
	const char *why = lib_error != 0   ? reason_text(lib_error)
			  : sys_error != 0 ? strerror(sys_error)
					   : "it closed the connection";
	bytes_printf(out, "TLS handshake with %.100s failed: %s", peer->host, why);
	return KIND_TLS_FAILED;
}

void tls_keep_session(SSL *ssl)
{
	SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
}
