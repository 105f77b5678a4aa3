/* lib/conf.h - parley.conf: one strict INI file for all programs.
 *
 * Every key stands in one table (conf.c) with section, name, type, range and default; docs/man and
 * `parleyd --check` are held to it. Unknown sections or keys, double keys, values out of range and
 * text that is not `key = value` are errors that name file and line. '#' and ';' begin a comment line.
 * A list is separated by commas. "auto" stays CONF_AUTO (0 for counts) until conf_resolve().
 *
 * Callers:   any process, at start and at reload. A struct conf owns its strings: conf_fini().
 * Children:  the master writes conf_text(role) into a sealed memfd ("conf"); a child reads it back with
 *            conf_parse() and never sees keys of other roles (a mediad has no [database], no [turn]). */
#ifndef PARLEY_LIB_CONF_H
#define PARLEY_LIB_CONF_H

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/log.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define CONF_LIST_MAX 16
#define CONF_PINS_MAX 256

enum conf_role { CONF_ROLE_MASTER, CONF_ROLE_WORKER, CONF_ROLE_MEDIAD };
enum conf_placement { CONF_PLACEMENT_PACK, CONF_PLACEMENT_SPREAD };
enum conf_switch { CONF_OFF, CONF_ON };
enum conf_log_target { CONF_LOG_STDERR, CONF_LOG_JOURNAL };
enum conf_signups { CONF_SIGNUPS_OPEN, CONF_SIGNUPS_INVITE, CONF_SIGNUPS_CLOSED };

struct conf_addr {
	struct sockaddr_storage sa;
	socklen_t len;
	uint16_t port; /* 0: none given (media.advertise, media.listen) */
};

struct conf_strings {
	char *item[CONF_LIST_MAX];
	size_t len;
};

struct conf_addrs {
	struct conf_addr item[CONF_LIST_MAX];
	size_t len;
};

struct conf {
	struct {
		struct conf_addrs listen;   /* HTTPS */
		struct conf_addrs redirect; /* HTTP that answers 308 to https; may be empty */
		char *admin;		    /* "127.0.0.1:9464" or "unix:/run/parley/admin.sock"; "" = none */
		char *public_url;	    /* https://host[:port], no path */
		struct conf_strings origins;
		unsigned workers;	  /* 0 = auto */
		char *tls_cert, *tls_key; /* PEM files */
		char *web_root;		  /* built page */
		char *openapi;		  /* the OpenAPI file as JSON that /api/v1/openapi.json serves */
		char *user;		  /* whom a master started as root becomes; "" = stay */
	} server;
	struct {
		unsigned processes;	     /* 0 = auto: one a core */
		uint16_t port;		     /* mediad i receives on port + i */
		struct conf_addrs listen;    /* len 0 = auto: every usable address */
		struct conf_addrs advertise; /* len 0 = what it listens on */
		enum conf_switch tcp;	     /* also over TCP, on the same ports */
		unsigned pin[CONF_PINS_MAX]; /* core of mediad i */
		unsigned pin_len;	     /* 0 = auto */
		bool pin_none;		     /* media.pin = none */
		enum conf_placement placement;
		uint32_t ring_slots; /* power of two; 0 = auto */
		uint32_t max_transports;
		unsigned budget_percent; /* of its core, up to which a mediad takes new ones; 0 = no limit */
	} media;
	struct {
		char *url;
		unsigned connections; /* per worker, 2-4 */
	} database;
	struct {
		enum conf_signups signups;
		unsigned signups_per_hour;    /* per address; 0 = no limit, as for all of these */
		unsigned logins_per_minute;   /* failed ones, per account and per address */
		unsigned requests_per_second; /* per sign-in, or per address without one */
		unsigned call_members;
		unsigned call_streams;	      /* stream links of one call */
		unsigned messages_per_minute; /* per person */
		unsigned password_min;
		unsigned websockets; /* per worker */
	} limits;
	struct {
		struct conf_strings urls;
		char *secret;
	} turn;
	struct {
		unsigned ring_timeout_s;
		unsigned reconnect_grace_s;
	} calls;
	struct { /* days; 0 = for ever */
		unsigned history_days, messages_days, audit_days;
	} retention;
	struct {
		enum log_level level;
		enum conf_log_target target;
	} log;
};

/* Where and why: "parley.conf:12: unknown key 'prot' in [media]". */
struct conf_error {
	char text[512];
};

/* All defaults of DESIGN 8 for a real installation. -ENOMEM. */
int conf_init(struct conf *conf);
void conf_fini(struct conf *conf);

/* Parses text over what conf holds. name is what errors call it. -EINVAL with *ret_error, -ENOMEM. */
int conf_parse(struct conf *conf, const char *name, const char *text, size_t len, struct conf_error *ret_error);
/* Reads path; -errno of open/read with *ret_error set too. */
int conf_load(struct conf *conf, const char *path, struct conf_error *ret_error);
/* The whole of a descriptor (the "conf" memfd of a child). */
int conf_load_fd(struct conf *conf, int fd, struct conf_error *ret_error);
/* "section.key=value", as given to -o. */
int conf_override(struct conf *conf, const char *assignment, struct conf_error *ret_error);
/* Rules across keys (tls_key without tls_cert, pin longer than processes, …). */
int conf_check(const struct conf *conf, struct conf_error *ret_error);
/* Appends as INI what that role may know; conf_parse() of it gives the same values. */
int conf_text(const struct conf *conf, enum conf_role role, struct buf *ret_text);
/* Processes and workers with auto resolved for this machine (online cores of our affinity mask). */
unsigned conf_workers(const struct conf *conf);
unsigned conf_mediads(const struct conf *conf);

/* "1.2.3.4:80", "[::1]:443", "1.2.3.4" (port 0), "*:443" is an error. -EINVAL. */
int conf_addr_parse(const char *text, struct conf_addr *ret_addr);
/* Into buf (64 bytes are enough), "[::1]:443" style; the port is left out when 0. */
const char *conf_addr_format(const struct conf_addr *addr, char *buf, size_t len);

#endif
