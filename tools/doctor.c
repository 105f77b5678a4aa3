#include "tools/doctor.h"

#include "lib/addresses.h"
#include "lib/clock.h"
#include "lib/cleanup.h"
#include "lib/url.h"
#include "tools/admin_client.h"
#include "tools/turn_probe.h"

#include <libpq-fe.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define UDP_BUFFER_WISH (4L * 1024 * 1024)
#define FILES_WISH	65536

enum finding { FINDING_OK, FINDING_WARN, FINDING_FAIL };

static int fails;

static void say(enum finding finding, const char *what, const char *fmt, ...) PRINTF_LIKE(3, 4);
static void say(enum finding finding, const char *what, const char *fmt, ...)
{
	static const char *const words[] = { "ok  ", "warn", "FAIL" };
	va_list ap;

	printf("%s  %-12s ", words[finding], what);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fails += finding == FINDING_FAIL;
}

static void look_at_names(X509 *cert, const struct conf *conf)
{
	char host[256];

	origin_host(conf->server.public_url, host, sizeof(host));
	if (X509_check_host(cert, host, 0, 0, NULL) == 1 || X509_check_ip_asc(cert, host, 0) == 1)
		say(FINDING_OK, "certificate", "names %s", host);
	else
		say(FINDING_FAIL, "certificate", "does not name %s, the host of server.public_url", host);
}

static void look_at_certificate(const struct conf *conf)
{
	auto_fclose FILE *f = fopen(conf->server.tls_cert, "re");
	X509 *cert = f ? PEM_read_X509(f, NULL, NULL, NULL) : NULL;
	int days = 0, seconds = 0;

	if (!cert) {
		say(FINDING_FAIL, "certificate", "%s: %s", conf->server.tls_cert,
		    f ? "no PEM certificate" : strerror(errno));
		return;
	}
	ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(cert));
	if (days < 0 || seconds < 0)
		say(FINDING_FAIL, "certificate", "expired %d days ago", -days);
	else if (days < 14)
		say(FINDING_WARN, "certificate", "expires in %d days", days);
	else
		say(FINDING_OK, "certificate", "valid for %d more days", days);
	look_at_names(cert, conf);
	if (X509_NAME_cmp(X509_get_subject_name(cert), X509_get_issuer_name(cert)) == 0)
		say(FINDING_WARN, "certificate", "is self-signed: browsers warn until somebody accepts it");
	X509_free(cert);
}

static void look_at_database(const struct conf *conf)
{
	PGconn *conn = PQconnectdb(conf->database.url);

	if (PQstatus(conn) != CONNECTION_OK) {
		char reason[256];
		snprintf(reason, sizeof(reason), "%s", PQerrorMessage(conn));
		reason[strcspn(reason, "\n")] = 0;
		say(FINDING_FAIL, "database", "%s", reason);
	} else {
		PGresult *res = PQexec(conn, "SELECT max(version) FROM schema_migrations");
		if (PQresultStatus(res) == PGRES_TUPLES_OK && !PQgetisnull(res, 0, 0))
			say(FINDING_OK, "database", "PostgreSQL %d, schema %s", PQserverVersion(conn) / 10000,
			    PQgetvalue(res, 0, 0));
		else
			say(FINDING_FAIL, "database", "has no schema: run the migrations (parleyd(8), FILES)");
		PQclear(res);
	}
	PQfinish(conn);
}

static void look_at_server(const struct conf *conf)
{
	struct buf body = { 0 };
	int status = 0, err;

	if (!*conf->server.admin) {
		say(FINDING_WARN, "server", "server.admin is off: nothing to ask");
		return;
	}
	err = admin_get(conf->server.admin, "/readyz", &status, &body);
	if (err < 0)
		say(FINDING_FAIL, "server", "does not answer on %s: %s", conf->server.admin, strerror(-err));
	else if (status != 200)
		say(FINDING_FAIL, "server", "is not ready: %.*s", (int)strcspn((char *)body.data, "\n"),
		    (char *)body.data);
	else
		say(FINDING_OK, "server", "is ready");
	buf_fini(&body);
}

/* 0 when somebody listens there. The address is one of this machine, so that nothing is waited for. */
static int try_tcp(const struct conf_addr *address, uint16_t port)
{
	struct sockaddr_storage sa = address->sa;
	auto_close int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (sa.ss_family == AF_INET6)
		((struct sockaddr_in6 *)&sa)->sin6_port = htons(port);
	else
		((struct sockaddr_in *)&sa)->sin_port = htons(port);
	return connect(fd, (const struct sockaddr *)&sa, address->len) < 0 ? -errno : 0;
}

/* Whoever has reserved ports has thought of it. */
static bool ports_are_reserved(void)
{
	auto_fclose FILE *f = fopen("/proc/sys/net/ipv4/ip_local_reserved_ports", "re");
	unsigned first;

	return f && fscanf(f, "%u", &first) == 1;
}

/* Ports that the kernel gives to outgoing connections may be taken when Parley starts. */
static void look_at_port_range(unsigned first, unsigned last)
{
	auto_fclose FILE *f = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");
	unsigned low, high;

	if (!f || fscanf(f, "%u %u", &low, &high) != 2 || last < low || first > high || ports_are_reserved())
		return;
	say(FINDING_WARN, "media",
	    "outgoing connections may take these ports: net.ipv4.ip_local_reserved_ports = %u-%u keeps them free",
	    first, last);
}

static void look_at_media(const struct conf *conf)
{
	unsigned first = conf->media.port, last = first + conf_mediads(conf) - 1, bad = 0;
	struct conf_addrs addrs;
	char text[64];

	if (conf->media.tcp == CONF_OFF) {
		say(FINDING_OK, "media", "UDP %u-%u must be reachable; media.tcp is off", first, last);
		return;
	}
	int err = addresses_find(conf, &addrs);
	if (err < 0) {
		say(FINDING_FAIL, "media", "no usable address: %s; see media.listen", strerror(-err));
		return;
	}
	for (size_t i = 0; i < addrs.len; i++) {
		for (unsigned port = first; port <= last; port++) {
			err = try_tcp(&addrs.item[i], (uint16_t)port);
			if (err == 0)
				continue;
			bad++;
			say(FINDING_WARN, "media", "nobody listens on %s, TCP port %u: %s",
			    conf_addr_format(&addrs.item[i], text, sizeof(text)), port, strerror(-err));
		}
	}
	if (bad == 0)
		say(FINDING_OK, "media", "UDP and TCP %u-%u must be reachable; TCP answers on %zu addresses", first,
		    last, addrs.len);
	look_at_port_range(first, last);
}

static void look_at_kernel(void)
{
	static const char *const files[] = { "rmem_max", "wmem_max" };
	struct rlimit limit;

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		char path[64];
		long value = 0;
		snprintf(path, sizeof(path), "/proc/sys/net/core/%s", files[i]);
		auto_fclose FILE *f = fopen(path, "re");
		if (!f || fscanf(f, "%ld", &value) != 1)
			continue;
		if (value < UDP_BUFFER_WISH)
			say(FINDING_WARN, "kernel", "net.core.%s is %ld; busy servers want %ld", files[i], value,
			    UDP_BUFFER_WISH);
		else
			say(FINDING_OK, "kernel", "net.core.%s is %ld", files[i], value);
	}
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_max < FILES_WISH)
		say(FINDING_WARN, "kernel", "at most %llu open files here; the unit asks for 1048576",
		    (unsigned long long)limit.rlim_max);
}

static void look_at_turn(const struct conf *conf)
{
	for (size_t i = 0; i < conf->turn.urls.len; i++) {
		const char *text = conf->turn.urls.item[i];
		struct turn_url url;
		int err = turn_url_parse(text, &url);
		if (err == 0)
			err = turn_probe(&url);
		if (err == 0)
			say(FINDING_OK, "turn", "%s answers", text);
		else if (err == -EHOSTUNREACH)
			say(FINDING_FAIL, "turn", "%s: the name has no address that can be reached from here", text);
		else
			say(FINDING_FAIL, "turn", "%s: %s; is parley-turn.service running, and the port open?", text,
			    strerror(-err));
	}
	if (conf->turn.urls.len == 0)
		say(FINDING_WARN, "turn",
		    "turn.urls is empty: people whose network lets out nothing but the web cannot call; see [turn] in "
		    "parley.conf(5)");
}

int doctor_run(const struct conf *conf)
{
	fails = 0;
	look_at_certificate(conf);
	look_at_database(conf);
	look_at_server(conf);
	look_at_media(conf);
	look_at_turn(conf);
	look_at_kernel();
	return fails;
}
