#include "tools/manage.h"

#include "tools/admin_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <yajl/yajl_tree.h>

#define PASSWORD_LEN 24
#define USAGE_ERROR  2

const char manage_usage[] = "  users [TEXT]                  the accounts, or those whose name holds TEXT\n"
			    "  users create NAME [DISPLAY]   make one; prints its password\n"
			    "  users disable|enable NAME     sign it out for good; let it in again\n"
			    "  users reset-password NAME     prints a new password, signs it out everywhere\n"
			    "  users delete NAME             for ever\n"
			    "  invites                       the invitations\n"
			    "  invites create [USES [DAYS]]  make one; prints its code\n"
			    "  invites revoke ID\n"
			    "  calls                         those that ring or are active\n"
			    "  calls show|end ID             one call; end it for everybody\n"
			    "  streams                       the stream links of all calls\n"
			    "  streams revoke ID             end one, and what came by it\n"
			    "  audit                         the newest 500 sign-ins and changes\n";

/* One request and what came back. */
struct talk {
	const struct conf *conf;
	int status;
	struct buf body;
	yajl_val doc;
};

/* What a terminal must not get to see from a name. */
static void print_text(const char *text, int width)
{
	int n = 0;

	for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
		bool c1 = *c == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0;
		if (c1)
			c++;
		if (c1 || *c < 0x20 || *c == 0x7f)
			continue;
		putchar(*c);
		n += (*c & 0xc0) != 0x80;
	}
	printf("%*s", n < width ? width - n : 0, "");
}

static const char *text_of(yajl_val object, const char *key)
{
	const char *path[] = { key, NULL };
	const char *text = object ? YAJL_GET_STRING(yajl_tree_get(object, path, yajl_t_string)) : NULL;

	return text ? text : "";
}

static long long number_of(yajl_val object, const char *key)
{
	const char *path[] = { key, NULL };
	yajl_val v = object ? yajl_tree_get(object, path, yajl_t_number) : NULL;

	return v && YAJL_IS_INTEGER(v) ? YAJL_GET_INTEGER(v) : 0;
}

static yajl_val member(yajl_val object, const char *key)
{
	const char *path[] = { key, NULL };

	return object ? yajl_tree_get(object, path, yajl_t_any) : NULL;
}

static size_t items_of(yajl_val list, yajl_val **ret_items)
{
	if (!list || !YAJL_IS_ARRAY(list))
		return 0;
	*ret_items = list->u.array.values;
	return list->u.array.len;
}

static void talk_fini(struct talk *talk)
{
	if (talk->doc)
		yajl_tree_free(talk->doc);
	buf_fini(&talk->body);
}

/* False: what went wrong was printed. */
static bool talk_ask(struct talk *talk, const char *method, const char *path, const char *json)
{
	char why[128];

	if (!*talk->conf->server.admin) {
		fprintf(stderr, "parleyctl: server.admin is off\n");
		return false;
	}
	int err = admin_request(talk->conf->server.admin, method, path, json, &talk->status, &talk->body);
	if (err < 0) {
		fprintf(stderr, "parleyctl: %s: %s\n", talk->conf->server.admin, strerror(-err));
		return false;
	}
	if (talk->body.len > 0)
		talk->doc = yajl_tree_parse((const char *)talk->body.data, why, sizeof(why));
	if (talk->status < 400)
		return true;
	const char *detail = text_of(talk->doc, "detail");
	fprintf(stderr, "parleyctl: %s\n", *detail ? detail : "the server refused it");
	return false;
}

/* text as a JSON string. */
static void json_string(struct buf *json, const char *text)
{
	buf_append_char(json, '"');
	for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
		if (*c == '"' || *c == '\\' || *c < 0x20)
			buf_appendf(json, "\\u%04x", *c);
		else
			buf_append_char(json, (char)*c);
	}
	buf_append_char(json, '"');
}

/* text as a part of a path. */
static void path_part(struct buf *path, const char *text)
{
	for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
		if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-", *c))
			buf_append_char(path, (char)*c);
		else
			buf_appendf(path, "%%%02x", *c);
	}
}

/* METHOD /admin/v1/COLLECTION[/ID][SUFFIX], and what to print when it went well. */
static int simple(const struct conf *conf, const char *method, const char *collection, const char *id,
		  const char *suffix, const char *json, const char *done)
{
	struct talk talk = { .conf = conf };
	struct buf path = { 0 };

	buf_appendf(&path, "/admin/v1/%s/", collection);
	path_part(&path, id);
	buf_append_str(&path, suffix);
	buf_append_char(&path, 0);
	bool ok = !path.failed && talk_ask(&talk, method, (const char *)path.data, json);
	if (ok)
		puts(done);
	buf_fini(&path);
	talk_fini(&talk);
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Accounts */

static void password_make(char ret[PASSWORD_LEN + 1])
{
	static const char digits[] = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
	unsigned char bytes[PASSWORD_LEN];

	if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
		abort();
	for (size_t i = 0; i < PASSWORD_LEN; i++)
		ret[i] = i % 6 == 5 ? '-' : digits[bytes[i] & 31];
	ret[PASSWORD_LEN - 1] = digits[bytes[0] & 31];
	ret[PASSWORD_LEN] = 0;
}

static int users_list(const struct conf *conf, const char *q)
{
	struct talk talk = { .conf = conf };
	struct buf path = { 0 };
	yajl_val *item = NULL;

	buf_append_str(&path, "/admin/v1/users");
	if (q) {
		buf_append_str(&path, "?q=");
		path_part(&path, q);
	}
	buf_append_char(&path, 0);
	bool ok = !path.failed && talk_ask(&talk, "GET", (const char *)path.data, NULL);
	size_t len = ok ? items_of(member(talk.doc, "items"), &item) : 0;
	for (size_t i = 0; i < len; i++) {
		print_text(text_of(item[i], "username"), 33);
		print_text(text_of(item[i], "display_name"), 33);
		printf("%-9s %2lld signed in  last seen %s\n", *text_of(item[i], "disabled_at") ? "disabled" : "",
		       number_of(item[i], "sessions"),
		       *text_of(item[i], "last_seen_at") ? text_of(item[i], "last_seen_at") : "never");
	}
	buf_fini(&path);
	talk_fini(&talk);
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int users_create(const struct conf *conf, const char *name, const char *display_name)
{
	struct talk talk = { .conf = conf };
	char password[PASSWORD_LEN + 1];
	struct buf json = { 0 };

	password_make(password);
	buf_append_str(&json, "{\"username\":");
	json_string(&json, name);
	buf_append_str(&json, ",\"display_name\":");
	json_string(&json, display_name);
	buf_appendf(&json, ",\"password\":\"%s\"}", password);
	buf_append_char(&json, 0);
	bool ok = !json.failed && talk_ask(&talk, "POST", "/admin/v1/users", (const char *)json.data);
	if (ok)
		printf("password: %s\n", password);
	buf_fini(&json);
	talk_fini(&talk);
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int users_reset(const struct conf *conf, const char *name)
{
	char password[PASSWORD_LEN + 1], json[64], done[64];

	password_make(password);
	snprintf(json, sizeof(json), "{\"password\":\"%s\"}", password);
	snprintf(done, sizeof(done), "password: %s", password);
	return simple(conf, "PUT", "users", name, "/password", json, done);
}

static int users(const struct conf *conf, char *const *args, int n)
{
	const char *what = n > 1 ? args[1] : NULL, *name = n > 2 ? args[2] : NULL;

	if (name && n <= 4 && strcmp(what, "create") == 0)
		return users_create(conf, name, n > 3 ? args[3] : name);
	if (n == 3 && strcmp(what, "disable") == 0)
		return simple(conf, "PATCH", "users", name, "", "{\"disabled\":true}", "disabled");
	if (n == 3 && strcmp(what, "enable") == 0)
		return simple(conf, "PATCH", "users", name, "", "{\"disabled\":false}", "enabled");
	if (n == 3 && strcmp(what, "reset-password") == 0)
		return users_reset(conf, name);
	if (n == 3 && strcmp(what, "delete") == 0)
		return simple(conf, "DELETE", "users", name, "", NULL, "deleted");
	return n <= 2 ? users_list(conf, what) : USAGE_ERROR;
}

/* Invitations */

static int invites_list(const struct conf *conf)
{
	struct talk talk = { .conf = conf };
	yajl_val *item = NULL;
	bool ok = talk_ask(&talk, "GET", "/admin/v1/invites", NULL);
	size_t len = ok ? items_of(member(talk.doc, "items"), &item) : 0;

	for (size_t i = 0; i < len; i++) {
		printf("%s  %lld of %lld used  until %-24s  ", text_of(item[i], "id"), number_of(item[i], "used"),
		       number_of(item[i], "uses"),
		       *text_of(item[i], "expires_at") ? text_of(item[i], "expires_at") : "ever");
		print_text(text_of(item[i], "note"), 0);
		putchar('\n');
	}
	talk_fini(&talk);
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int invites_create(const struct conf *conf, const char *uses, const char *days)
{
	struct talk talk = { .conf = conf };
	char json[128] = "{}";

	for (const char *c = uses; c && *c; c++) {
		if (*c < '0' || *c > '9')
			return USAGE_ERROR;
	}
	for (const char *c = days; c && *c; c++) {
		if (*c < '0' || *c > '9')
			return USAGE_ERROR;
	}
	if (days)
		snprintf(json, sizeof(json), "{\"uses\":%.9s,\"days\":%.9s}", uses, days);
	else if (uses)
		snprintf(json, sizeof(json), "{\"uses\":%.9s}", uses);
	bool ok = talk_ask(&talk, "POST", "/admin/v1/invites", json);
	if (ok)
		printf("code: %s\n", text_of(talk.doc, "code"));
	talk_fini(&talk);
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int invites(const struct conf *conf, char *const *args, int n)
{
	if (n == 1)
		return invites_list(conf);
	if (n <= 4 && strcmp(args[1], "create") == 0)
		return invites_create(conf, n > 2 ? args[2] : NULL, n > 3 ? args[3] : NULL);
	if (n == 3 && strcmp(args[1], "revoke") == 0)
		return simple(conf, "DELETE", "invites", args[2], "", NULL, "revoked");
	return USAGE_ERROR;
}

/* Calls */

static void stream_print(yajl_val stream)
{
	printf("%s  %-7s %-12s ", text_of(stream, "id"), text_of(stream, "kind"), text_of(stream, "state"));
	print_text(text_of(stream, "name"), 25);
	printf(" by ");
	print_text(text_of(stream, "maker"), 0);
}

static void call_print(yajl_val call)
{
	yajl_val *item = NULL;
	size_t len = items_of(member(call, "members"), &item);

	printf("%s  %-7s %s  since %s\n", text_of(call, "id"), text_of(call, "state"), text_of(call, "end_reason"),
	       text_of(call, "created_at"));
	for (size_t i = 0; i < len; i++) {
		/* A program stands below, by its link. */
		if (member(item[i], "stream"))
			continue;
		printf("    ");
		print_text(text_of(member(item[i], "user"), "username"), 33);
		printf("%s\n", text_of(item[i], "state"));
	}
	len = items_of(member(call, "streams"), &item);
	for (size_t i = 0; i < len; i++) {
		printf("    stream ");
		stream_print(item[i]);
		putchar('\n');
	}
}

static int calls_show(const struct conf *conf, const char *id)
{
	struct talk talk = { .conf = conf };
	struct buf path = { 0 };
	yajl_val *item = NULL;

	buf_append_str(&path, "/admin/v1/calls");
	if (id) {
		buf_append_char(&path, '/');
		path_part(&path, id);
	}
	buf_append_char(&path, 0);
	bool ok = !path.failed && talk_ask(&talk, "GET", (const char *)path.data, NULL);
	size_t len = ok ? items_of(member(talk.doc, "items"), &item) : 0;
	for (size_t i = 0; i < len; i++)
		call_print(item[i]);
	if (ok && id)
		call_print(member(talk.doc, "call"));
	buf_fini(&path);
	talk_fini(&talk);
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int calls(const struct conf *conf, char *const *args, int n)
{
	if (n == 1)
		return calls_show(conf, NULL);
	if (n == 3 && strcmp(args[1], "show") == 0)
		return calls_show(conf, args[2]);
	if (n == 3 && strcmp(args[1], "end") == 0)
		return simple(conf, "POST", "calls", args[2], "/end", NULL, "ended");
	return USAGE_ERROR;
}

static int streams_list(const struct conf *conf)
{
	struct talk talk = { .conf = conf };
	yajl_val *item = NULL;
	bool ok = talk_ask(&talk, "GET", "/admin/v1/streams", NULL);
	size_t len = ok ? items_of(member(talk.doc, "items"), &item) : 0;

	for (size_t i = 0; i < len; i++) {
		stream_print(item[i]);
		printf("  in call %s  until %s\n", text_of(item[i], "call_id"), text_of(item[i], "expires_at"));
	}
	talk_fini(&talk);
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int streams(const struct conf *conf, char *const *args, int n)
{
	if (n == 1)
		return streams_list(conf);
	if (n == 3 && strcmp(args[1], "revoke") == 0)
		return simple(conf, "DELETE", "streams", args[2], "", NULL, "revoked");
	return USAGE_ERROR;
}

static int audit(const struct conf *conf, char *const *args, int n)
{
	struct talk talk = { .conf = conf };
	yajl_val *item = NULL;

	(void)args;
	if (n != 1)
		return USAGE_ERROR;
	bool ok = talk_ask(&talk, "GET", "/admin/v1/audit", NULL);
	size_t len = ok ? items_of(member(talk.doc, "items"), &item) : 0;
	for (size_t i = 0; i < len; i++) {
		printf("%s  %-6s %-15s ", text_of(item[i], "at"),
		       strcmp(text_of(item[i], "actor"), "admin") == 0 ? "admin" : "user", text_of(item[i], "action"));
		print_text(text_of(item[i], "user"), 33);
		printf("%-16s ", text_of(item[i], "address"));
		print_text(text_of(item[i], "detail"), 0);
		putchar('\n');
	}
	talk_fini(&talk);
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

static const struct {
	const char *name;
	int (*run)(const struct conf *conf, char *const *args, int n);
} commands[] = {
	{ "users", users }, { "invites", invites }, { "calls", calls }, { "streams", streams }, { "audit", audit }
};

bool manage_knows(const char *command)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		if (strcmp(command, commands[i].name) == 0)
			return true;
	}
	return false;
}

int manage_run(const struct conf *conf, char *const *args, int args_len)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		if (strcmp(args[0], commands[i].name) == 0)
			return commands[i].run(conf, args, args_len);
	}
	return USAGE_ERROR;
}
