/* lib/version.h - the one place where the version stands. */
#ifndef PARLEY_LIB_VERSION_H
#define PARLEY_LIB_VERSION_H

#define PARLEY_VERSION "0.1.0"

#endif
