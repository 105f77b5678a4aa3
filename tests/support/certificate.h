/* tests/support/certificate.h - a fresh self-signed ECDSA certificate with its key. */
#ifndef PARLEY_TESTS_CERTIFICATE_H
#define PARLEY_TESTS_CERTIFICATE_H

#include <stddef.h>

/* PEM text of both, malloc'ed and NUL-terminated; aborts on failure. */
char *certificate_make(size_t *ret_len);

#endif
