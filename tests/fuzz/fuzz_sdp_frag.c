/* links: workers */
#include "workers/sdp_frag.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* What is mirrored cannot break a line. */
static void check_text(const char *text, size_t max)
{
	if (strnlen(text, max + 1) > max || strpbrk(text, "\r\n"))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const struct media_answer answer = { .ufrag = "abcd", .pwd = "abcdefghijklmnopqrstuv" };
	const char *detail = NULL;
	struct sdp_frag frag;
	struct buf text = { 0 };

	int r = sdp_frag_parse((const char *)data, len, &frag, &detail);
	if (r < 0 && !detail)
		abort();
	if (r == 0) {
		check_text(frag.ufrag, SESSION_UFRAG_MAX);
		check_text(frag.pwd, SESSION_PWD_MAX);
		check_text(frag.media, SDP_FRAG_MEDIA_MAX);
		check_text(frag.mid, SESSION_MID_MAX);
		if (sdp_frag_build(&frag, &answer, &text) < 0)
			abort();
	}
	buf_fini(&text);
	return 0;
}
