#include "master/settings.h"

#include "lib/clock.h"
#include "lib/log.h"

#include <string.h>

#define SEC_PER_DAY INT64_C(86400)

static void log_expiry(const struct settings *s)
{
	int64_t now_s = clock_realtime_us() / USEC_PER_SEC, left_s = s->tls.not_after_s - now_s;

	if (left_s < 0)
		log_warn("settings: the certificate in %s expired %lld days ago; browsers will refuse it",
			 s->conf.server.tls_cert, (long long)(-left_s / SEC_PER_DAY));
	else if (s->tls.not_before_s > now_s)
		log_warn("settings: the certificate in %s is not valid yet; browsers will refuse it",
			 s->conf.server.tls_cert);
	else if (left_s < 14 * SEC_PER_DAY)
		log_warn("settings: the certificate in %s expires in %lld days", s->conf.server.tls_cert,
			 (long long)(left_s / SEC_PER_DAY));
}

static int load(const struct settings_source *source, struct settings *s, struct conf_error *ret_error)
{
	int err = conf_load(&s->conf, source->path, ret_error);

	for (size_t i = 0; err == 0 && i < source->overrides_len; i++)
		err = conf_override(&s->conf, source->overrides[i], ret_error);
	if (err == 0)
		err = conf_check(&s->conf, ret_error);
	if (err == 0)
		err = certificate_load(s->conf.server.tls_cert, s->conf.server.tls_key, &s->tls, ret_error);
	return err;
}

int settings_load(const struct settings_source *source, struct settings *ret_settings, struct conf_error *ret_error)
{
	struct settings s = { 0 };
	int err = conf_init(&s.conf);

	if (err < 0) {
		strcpy(ret_error->text, "out of memory");
		return err;
	}
	err = load(source, &s, ret_error);
	if (err < 0) {
		settings_fini(&s);
		return err;
	}
	log_expiry(&s);
	*ret_settings = s;
	return 0;
}

void settings_fini(struct settings *settings)
{
	conf_fini(&settings->conf);
	certificate_fini(&settings->tls);
}

/* Swaps, so that each struct goes on owning its strings. */
static void keep(void *next, void *now, size_t size, const char *key)
{
	if (memcmp(next, now, size) == 0)
		return;
	log_warn("settings: a new %s takes effect at the next restart", key);
	memcpy(next, now, size);
}

static void keep_string(char **next, char **now, const char *key)
{
	if (strcmp(*next, *now) == 0)
		return;
	log_warn("settings: a new %s takes effect at the next restart", key);
	char *swapped = *next;
	*next = *now;
	*now = swapped;
}

void settings_keep_fixed(struct settings *next, struct settings *now)
{
	struct conf *n = &next->conf, *o = &now->conf;

	keep(&n->server.listen, &o->server.listen, sizeof(n->server.listen), "server.listen");
	keep(&n->server.redirect, &o->server.redirect, sizeof(n->server.redirect), "server.redirect");
	keep_string(&n->server.admin, &o->server.admin, "server.admin");
	keep_string(&n->server.user, &o->server.user, "server.user");
	keep(&n->server.workers, &o->server.workers, sizeof(n->server.workers), "server.workers");
	keep(&n->media.processes, &o->media.processes, sizeof(n->media.processes), "media.processes");
	keep(&n->media.port, &o->media.port, sizeof(n->media.port), "media.port");
	keep(&n->media.listen, &o->media.listen, sizeof(n->media.listen), "media.listen");
	keep(&n->media.tcp, &o->media.tcp, sizeof(n->media.tcp), "media.tcp");
	keep(&n->media.ring_slots, &o->media.ring_slots, sizeof(n->media.ring_slots), "media.ring_slots");
	keep(&n->media.max_transports, &o->media.max_transports, sizeof(n->media.max_transports),
	     "media.max_transports");
}

bool settings_media_differs(const struct settings *next, const struct settings *now)
{
	struct conf n = next->conf; /* borrowed copy, to look at [media] alone */
	struct buf a = { 0 }, b = { 0 };

	n.log = now->conf.log;
	n.calls = now->conf.calls;
	bool differs = conf_text(&n, CONF_ROLE_MEDIAD, &a) < 0 || conf_text(&now->conf, CONF_ROLE_MEDIAD, &b) < 0 ||
		       a.len != b.len || memcmp(a.data, b.data, a.len) != 0;
	buf_fini(&a);
	buf_fini(&b);
	return differs;
}
