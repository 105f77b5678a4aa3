/* links: workers */
#include "workers/sdp_frag.h"

#include "lib/err.h"
#include "tests/support/cm.h"

#include <stdio.h>
#include <string.h>

#define PWD "P2uYro0UCOQ4zxjKXaWCBui1"

static int parse(const char *text, struct sdp_frag *ret_frag, const char **ret_detail)
{
	*ret_detail = NULL;
	return sdp_frag_parse(text, strlen(text), ret_frag, ret_detail);
}

static void test_credentials(void **state)
{
	struct sdp_frag frag;
	const char *detail;

	(void)state;
	assert_int_equal(parse("a=ice-ufrag:EsAw\r\na=ice-pwd:" PWD "\r\n"
			       "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n"
			       "a=candidate:1 1 udp 2130706431 192.0.2.77 51208 typ host\r\na=end-of-candidates\r\n",
			       &frag, &detail),
			 0);
	assert_string_equal(frag.ufrag, "EsAw");
	assert_string_equal(frag.pwd, PWD);
	assert_string_equal(frag.media, "audio 9 UDP/TLS/RTP/SAVPF 111");
	assert_string_equal(frag.mid, "0");
	/* Each m-line may repeat them; lines may end with LF alone, and the last one not at all. */
	assert_int_equal(
		parse("m=audio 9 x 0\na=ice-ufrag:EsAw\nm=video 9 x 0\na=mid:1\na=ice-ufrag:EsAw", &frag, &detail), 0);
	assert_string_equal(frag.media, "audio 9 x 0");
	assert_string_equal(frag.mid, "1");
	assert_string_equal(frag.pwd, "");
	assert_int_equal(parse("", &frag, &detail), 0);
	assert_string_equal(frag.ufrag, "");
}

static void test_refusals(void **state)
{
	static const char *const texts[] = {
		"hello",
		"a",
		"a=mid:0\r\nnonsense\r\n",
		"a=mid:\x01\r\n",
		"a=ice-ufrag:abc\r\n",
		"a=ice-ufrag:ab-d\r\n",
		"a=ice-ufrag:\r\n",
		"a=ice-pwd:short\r\n",
		"a=ice-pwd:" PWD "!\r\n",
		"a=ice-ufrag:EsAw\r\na=ice-ufrag:EsAx\r\n",
		"a=ice-pwd:" PWD "\r\na=ice-pwd:" PWD "x\r\n",
	};
	struct sdp_frag frag;
	const char *detail;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		assert_int_equal(parse(texts[i], &frag, &detail), -EINVAL);
		assert_non_null(detail);
	}
}

static void test_lengths(void **state)
{
	char text[400];
	struct sdp_frag frag;
	const char *detail;

	(void)state;
	snprintf(text, sizeof(text), "a=ice-ufrag:%0256d\r\n", 0);
	assert_int_equal(parse(text, &frag, &detail), 0);
	assert_int_equal(strlen(frag.ufrag), SESSION_UFRAG_MAX);
	snprintf(text, sizeof(text), "a=ice-ufrag:%0257d\r\n", 0);
	assert_int_equal(parse(text, &frag, &detail), -EINVAL);
	/* What is only mirrored is left out when it is too long. */
	snprintf(text, sizeof(text), "m=%0128d\r\na=mid:%017d\r\n", 0, 0);
	assert_int_equal(parse(text, &frag, &detail), 0);
	assert_string_equal(frag.media, "");
	assert_string_equal(frag.mid, "");
}

static void test_answer(void **state)
{
	const struct media_answer answer = {
		.ufrag = "SERV", .pwd = "secret", .candidates_len = 1, .candidate[0] = { .family = 4, .port = 40000 }
	};
	struct sdp_frag frag = { .media = "audio 9 x 0", .mid = "0" };
	struct buf text = { 0 };

	(void)state;
	assert_int_equal(sdp_frag_build(&frag, &answer, &text), 0);
	buf_append_char(&text, 0);
	assert_string_equal((const char *)text.data,
			    "a=ice-lite\r\nm=audio 9 x 0\r\na=mid:0\r\na=ice-ufrag:SERV\r\na=ice-pwd:secret\r\n"
			    "a=candidate:1 1 udp 2130706431 0.0.0.0 40000 typ host\r\na=end-of-candidates\r\n");
	buf_fini(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_credentials),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_answer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
