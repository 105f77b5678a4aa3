/* workers/picture.h - a person's picture: whatever was uploaded becomes a WebP of 256 × 256 and nothing else.
 *
 * Decoders:  libpng, TurboJPEG and libwebp, by the type that the client named; the middle square is cut out, scaled
 *            by area, turned as a JPEG's EXIF orientation says, and encoded anew, so that no metadata is kept.
 * Limits:    8192 pixels a side, 25 million in all; known from the head before anything is decoded.
 * Callers:   pool threads (a large picture takes a second).
 * Errors:    -EBADMSG (no picture of that type), -E2BIG (too large), -ENOMEM. */
#ifndef PARLEY_WORKERS_PICTURE_H
#define PARLEY_WORKERS_PICTURE_H

#include "lib/buf.h"
#include "lib/err.h"

#define PICTURE_SIZE	   256
#define PICTURE_SIDE_MAX   8192
#define PICTURE_PIXELS_MAX (25u * 1000 * 1000)

enum picture_type { PICTURE_PNG, PICTURE_JPEG, PICTURE_WEBP };

int picture_convert(enum picture_type type, const void *data, size_t len, struct buf *ret_webp);
/* EXIF orientation of a JPEG, 1 … 8; 1 when there is none. For its test. */
unsigned picture_orientation(const uint8_t *data, size_t len);

#endif
