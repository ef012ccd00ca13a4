#include "tests/kit/rawd_cert.h"

#include "base/check.h"
#include "model/special.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

struct authority {
	X509 *cert;
	EVP_PKEY *key;
	char pem[4096];
};

/* One for the process: a test program is one thread. */
static struct authority authority;

static void set_name(X509 *x, const char *cn)
{
	X509_NAME *n = X509_get_subject_name(x);
	X509_NAME_add_entry_by_txt(n, "CN", MBSTRING_ASC, (const unsigned char *)cn, -1, -1, 0);
}

static void extend(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	CHECK(e != NULL);
	X509_add_ext(x, e, -1);
	X509_EXTENSION_free(e);
}

static X509 *blank(EVP_PKEY *key, const char *cn, long from_s, long to_s)
{
	static long serial;
	X509 *x = X509_new();
	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), ++serial);
	X509_gmtime_adj(X509_getm_notBefore(x), from_s);
	X509_gmtime_adj(X509_getm_notAfter(x), to_s);
	X509_set_pubkey(x, key);
	set_name(x, cn);
	return x;
}

static void make_authority(void)
{
	if (authority.cert != NULL)
		return;
	authority.key = EVP_EC_gen("P-256");
	X509 *x = blank(authority.key, "muster test authority", -86400, 86400L * 30);
	X509_set_issuer_name(x, X509_get_subject_name(x));
	extend(x, x, NID_basic_constraints, "critical,CA:TRUE");
	extend(x, x, NID_subject_key_identifier, "hash");
	CHECK(X509_sign(x, authority.key, EVP_sha256()) > 0);
	authority.cert = x;
	BIO *b = BIO_new(BIO_s_mem());
	PEM_write_bio_X509(b, x);
	int n = BIO_read(b, authority.pem, sizeof(authority.pem) - 1);
	CHECK(n > 0);
	authority.pem[n] = '\0';
	BIO_free(b);
}

struct slice rawd_ca_pem(void)
{
	make_authority();
	return slice_of(authority.pem);
}

static void name_it(X509 *x, X509 *issuer, const char *name)
{
	struct net_addr a;
	char san[300];
	bool ip = net_addr_parse(slice_of(name), &a) == ERR_OK;
	snprintf(san, sizeof(san), "%s:%s", ip ? "IP" : "DNS", name);
	extend(x, issuer, NID_subject_alt_name, san);
}

SSL_CTX *rawd_cert_context(const struct rawd_cert *c)
{
	make_authority();
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = blank(key, c->name, -86400L * 60, c->expired ? -86400L : 86400L * 30);
	X509 *issuer = c->self_signed ? x : authority.cert;
	X509_set_issuer_name(x, X509_get_subject_name(issuer));
	name_it(x, issuer, c->name);
	CHECK(X509_sign(x, c->self_signed ? key : authority.key, EVP_sha256()) > 0);
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	CHECK(ctx != NULL && SSL_CTX_use_certificate(ctx, x) == 1 &&
	      SSL_CTX_use_PrivateKey(ctx, key) == 1);
	SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"rawd", 4);
	X509_free(x);
	EVP_PKEY_free(key);
	return ctx;
}
