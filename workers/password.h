/* workers/password.h - Argon2id (m = 19456 KiB, t = 2, p = 1), and which passwords are refused.
 *
 * Hashes are the usual text ("$argon2id$v=19$m=19456,t=2,p=1$…"). Hashing takes tens of milliseconds:
 * pool threads only. Passwords are bytes of UTF-8; nothing is trimmed, cut or folded. */
#ifndef PARLEY_WORKERS_PASSWORD_H
#define PARLEY_WORKERS_PASSWORD_H

#include "lib/err.h"

#include <stdbool.h>
#include <stddef.h>

#define PASSWORD_HASH_MAX 128 /* with the NUL */
#define PASSWORD_MAX	  256 /* characters */

/* -ENOMEM. */
int password_hash(const char *password, size_t len, char ret_hash[PASSWORD_HASH_MAX]);
/* hash NULL: nobody has that name; takes as long as a real comparison and is false. */
bool password_verify(const char *hash, const char *password, size_t len);
/* Why this password is refused although it is long enough, as a sentence; or NULL. */
const char *password_problem(const char *password, const char *username, const char *display_name);
/* Overwrites it in a way that the compiler keeps. */
void password_wipe(void *password, size_t len);

#endif
