/* tests/support/cm.h - cmocka and the headers it needs before it. */
#ifndef PARLEY_TESTS_CM_H
#define PARLEY_TESTS_CM_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
