#include "master/supervise.h"

#include <string.h>
#include <unistd.h>

struct blobs {
	int conf[2], cert, key;
};

static int conf_blob(const struct conf *conf, enum conf_role role, int *ret_fd)
{
	struct buf text = { 0 };
	int err = conf_text(conf, role, &text);

	if (err == 0)
		err = shm_blob_create("parley-conf", text.data, text.len, ret_fd);
	if (text.data)
		explicit_bzero(text.data, text.cap); /* may hold a database password */
	buf_fini(&text);
	return err;
}

static void blobs_close(struct blobs *b)
{
	const int fds[] = { b->conf[0], b->conf[1], b->cert, b->key };

	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
}

static int blobs_make(struct blobs *b, const struct settings *settings)
{
	int err = conf_blob(&settings->conf, CONF_ROLE_WORKER, &b->conf[CHILD_WORKER]);

	if (err == 0)
		err = conf_blob(&settings->conf, CONF_ROLE_MEDIAD, &b->conf[CHILD_MEDIAD]);
	if (err == 0)
		err = shm_blob_create("parley-tls-cert", settings->tls.cert.data, settings->tls.cert.len, &b->cert);
	if (err == 0)
		err = shm_blob_create("parley-tls-key", settings->tls.key.data, settings->tls.key.len, &b->key);
	return err;
}

static int advertise_make(struct supervisor *s, const struct conf *conf)
{
	int err = 0;

	for (unsigned i = 0; err == 0 && i < s->mediads; i++) {
		struct buf text = { 0 };
		int fd = -1;
		err = sockets_advertise(s->sockets, conf, i, &text);
		if (err == 0)
			err = shm_blob_create("parley-advertise", text.data, text.len, &fd);
		buf_fini(&text);
		if (err < 0)
			break;
		if (s->advertise_fd[i] >= 0)
			close(s->advertise_fd[i]);
		s->advertise_fd[i] = fd;
	}
	return err;
}

int handover_prepare(struct supervisor *s, const struct settings *settings)
{
	struct blobs b = { { -1, -1 }, -1, -1 };
	int err = blobs_make(&b, settings);

	if (err == 0)
		err = advertise_make(s, &settings->conf);
	if (err < 0) {
		blobs_close(&b);
		return err;
	}
	struct blobs old = { { s->conf_fd[0], s->conf_fd[1] }, s->tls_cert_fd, s->tls_key_fd };
	blobs_close(&old);
	memcpy(s->conf_fd, b.conf, sizeof(b.conf));
	s->tls_cert_fd = b.cert;
	s->tls_key_fd = b.key;
	return 0;
}

void handover_close(struct supervisor *s)
{
	struct blobs old = { { s->conf_fd[0], s->conf_fd[1] }, s->tls_cert_fd, s->tls_key_fd };

	blobs_close(&old);
	for (unsigned i = 0; s->advertise_fd && i < s->mediads; i++) {
		if (s->advertise_fd[i] >= 0)
			close(s->advertise_fd[i]);
	}
}

static int add_list(struct fdset *set, const struct socket_list *list, const char *name)
{
	int err = 0;

	for (unsigned k = 0; err == 0 && k < list->len; k++) {
		if (list->fd[k] >= 0)
			err = fdset_add(set, list->fd[k], "%s.%u", name, k);
	}
	return err;
}

static int collect_worker(const struct supervisor *s, unsigned index, struct fdset *set)
{
	int err = regions_share_worker(s->regions, index, set);

	for (unsigned k = 0; err == 0 && k < SOCKET_KINDS; k++)
		err = add_list(set, &s->sockets->listening[k], socket_kind_names[k]);
	if (err == 0)
		err = fdset_add(set, s->tls_cert_fd, "tls_cert");
	if (err == 0)
		err = fdset_add(set, s->tls_key_fd, "tls_key");
	return err;
}

static int collect_mediad(const struct supervisor *s, unsigned index, struct fdset *set)
{
	int err = regions_share_mediad(s->regions, index, set);

	if (err == 0)
		err = add_list(set, &s->sockets->udp[index], "udp");
	if (err == 0)
		err = add_list(set, &s->sockets->tcp[index], "tcp");
	if (err == 0)
		err = fdset_add(set, s->advertise_fd[index], "advertise");
	return err;
}

int handover_collect(const struct supervisor *s, const struct child *child, struct fdset *set)
{
	int err = fdset_add(set, s->conf_fd[child->role], "conf");

	if (err < 0)
		return err;
	return child->role == CHILD_WORKER ? collect_worker(s, child->index, set)
					   : collect_mediad(s, child->index, set);
}
