/* lib/utf8.h - is this UTF-8 as Unicode defines it: no overlong forms, no surrogates, at most U+10FFFF. */
#ifndef PARLEY_LIB_UTF8_H
#define PARLEY_LIB_UTF8_H

#include <stdbool.h>
#include <stddef.h>

bool utf8_valid(const void *text, size_t len);

#endif
