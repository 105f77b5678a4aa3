/* links: */
#include "lib/conf.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* What is accepted is written out and must read back as the same. */
static void check_round_trip(const struct conf *conf)
{
	struct buf text = { 0 }, again = { 0 };
	struct conf copy;
	struct conf_error error;

	if (conf_text(conf, CONF_ROLE_MASTER, &text) < 0 || conf_init(&copy) < 0)
		abort();
	if (conf_parse(&copy, "again", (const char *)text.data, text.len, &error) < 0)
		abort();
	if (conf_text(&copy, CONF_ROLE_MASTER, &again) < 0)
		abort();
	if (again.len != text.len || memcmp(again.data, text.data, text.len) != 0)
		abort();
	conf_fini(&copy);
	buf_fini(&text);
	buf_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct conf conf;
	struct conf_error error = { "" };

	if (conf_init(&conf) < 0)
		return 0;
	if (conf_parse(&conf, "fuzz", (const char *)data, len, &error) == 0) {
		check_round_trip(&conf);
		(void)conf_check(&conf, &error);
	} else if (!error.text[0]) {
		abort();
	}
	conf_fini(&conf);
	return 0;
}
