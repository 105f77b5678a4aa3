/* mediad/gcm.h - AES-128-GCM (NIST SP 800-38D) of what leaves, one key at a time.
 *
 * By Intel's ipsec-mb where it is built in and the processor has AES instructions: it costs half of what OpenSSL's EVP
 * does for packets of our length. By EVP elsewhere. Both write the same bytes.
 *
 * Caller:    srtp_out.c, which gives each IV once.
 * Errors:    0; -EIO (the library failed); -ENOMEM. */
#ifndef PARLEY_MEDIAD_GCM_H
#define PARLEY_MEDIAD_GCM_H

#include "lib/err.h"

#include <stddef.h>
#include <stdint.h>

#define GCM_KEY_LEN 16
#define GCM_IV_LEN  12
#define GCM_TAG_LEN 16

struct gcm;

/* Once a process. */
int gcm_start(void);
void gcm_stop(void);
/* "ipsec-mb", "OpenSSL". */
const char *gcm_name(void);

int gcm_new(const uint8_t key[GCM_KEY_LEN], struct gcm **ret_gcm);
/* By EVP in any case. */
int gcm_new_evp(const uint8_t key[GCM_KEY_LEN], struct gcm **ret_gcm);
struct gcm *gcm_free(struct gcm *gcm);
/* Encrypts len bytes of text in place and writes the tag of them and of aad behind them. */
int gcm_seal(struct gcm *gcm, const uint8_t iv[GCM_IV_LEN], const uint8_t *aad, size_t aad_len, uint8_t *text,
	     size_t len);

#endif
