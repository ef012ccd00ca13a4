/* rawd_cert -- certificates made on the spot, for tests of TLS. */
#pragma once

#include "tests/kit/rawd.h"

#include <openssl/ssl.h>

/* A server context with a fresh certificate. Aborts on failure. */
SSL_CTX *rawd_cert_context(const struct rawd_cert *c);
