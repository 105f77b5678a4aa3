#include "tools/load/run_internal.h"

#include "lib/url.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int read_tokens(struct run *run)
{
	FILE *f = fopen(run->options.tokens, "re");
	unsigned n = 0;

	if (!f)
		return -errno;
	while (n < run->people.len && fscanf(f, "%128s", run->people.person[n].token) == 1)
		n++;
	fclose(f);
	if (n < run->people.len)
		fprintf(stderr, "parley-load: %s: %u tokens; the others sign up\n", run->options.tokens, n);
	return 0;
}

static int find_address(struct run *run)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG };
	struct addrinfo *found;
	const char *url = run->options.url;
	char port[8] = "443";

	const char *scheme = run->options.janus ? "http://" : "https://";
	const char *authority = url + strlen(scheme);
	if (strncmp(url, scheme, strlen(scheme)) != 0 || strchr(authority, '/')) {
		fprintf(stderr, "parley-load: %s: not %sHOST[:PORT]\n", url, scheme);
		return -EINVAL;
	}
	snprintf(run->authority, sizeof(run->authority), "%s", authority);
	snprintf(run->base, sizeof(run->base), "%s%s", url, run->people.signalling->path);
	if (run->options.janus) /* libcurl finds it */
		return 0;
	origin_host(url, run->host, sizeof(run->host));
	const char *bracket = strrchr(url, ']'), *colon = strrchr(bracket ? bracket : authority, ':');
	if (colon)
		snprintf(port, sizeof(port), "%s", colon + 1);
	int err = getaddrinfo(run->host, port, &hints, &found);
	if (err != 0) {
		fprintf(stderr, "parley-load: %s: %s\n", run->host, gai_strerror(err));
		return -EHOSTUNREACH;
	}
	memcpy(&run->people.ws.address, found->ai_addr, found->ai_addrlen);
	run->people.ws.address_len = found->ai_addrlen;
	freeaddrinfo(found);
	return 0;
}

static int start_tls(struct run *run)
{
	run->tls = SSL_CTX_new(TLS_client_method());
	if (!run->tls)
		return -ENOMEM;
	SSL_CTX_set_verify(run->tls, run->options.insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_default_verify_paths(run->tls);
	SSL_CTX_set_mode(run->tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
					   SSL_MODE_RELEASE_BUFFERS);
	return 0;
}

static void make_groups(struct run *run)
{
	const struct run_options *o = &run->options;

	for (unsigned i = 0; i < run->calls; i++) {
		struct call_of_run *c = &run->call[i];
		c->first = i * o->call_size;
		c->len = MIN(o->call_size, run->people.len - c->first);
		for (unsigned k = 0; k < c->len; k++) {
			struct person *p = &run->people.person[c->first + k];
			p->people = &run->people;
			p->index = c->first + k;
			p->group = i;
			p->publishes = k < o->publishers;
			p->first = c->first;
			p->call_size = c->len;
			p->publishers = MIN(o->publishers, c->len);
			person_init(p);
		}
	}
}

int run_new(const struct run_options *options, struct run **ret_run)
{
	static const struct person_ops ops = { .on_keyframe = run_on_keyframe };
	struct run *run = calloc(1, sizeof(*run));
	int err = -ENOMEM;

	if (!run)
		return -ENOMEM;
	run->options = *options;
	run->people = (struct people){
		.ops = &ops,
		.signalling = options->janus ? &signalling_janus : &signalling_parley,
		.len = options->people,
		.tiles = options->tiles,
		.tile_height = options->tile_height,
		.media = { .fps = options->fps,
			   .height = options->height,
			   .bitrate = options->bitrate,
			   .layers = options->layers,
			   .payload = options->payload,
			   .burst = options->burst,
			   .audio = options->audio,
			   .video = options->video,
			   .delay = &run->delay },
	};
	random_bytes(&run->people.media.run, sizeof(run->people.media.run));
	run->calls = (options->people + options->call_size - 1) / options->call_size;
	run->people.person = calloc(options->people, sizeof(*run->people.person));
	run->call = calloc(run->calls, sizeof(*run->call));
	run->received_before = calloc(options->people, sizeof(*run->received_before));
	run->sent_before = calloc(options->people, sizeof(*run->sent_before));
	run->traffic_before = calloc(options->people, sizeof(*run->traffic_before));
	if (!run->people.person || !run->call || !run->received_before || !run->sent_before || !run->traffic_before)
		goto fail;
	make_groups(run);
	err = loop_new(&run->loop);
	if (err == 0)
		err = find_address(run);
	if (err == 0)
		err = start_tls(run);
	if (err == 0)
		err = peer_start();
	if (err == 0)
		err = api_new(run->loop, run->base, options->insecure, options->connections, &run->people.api);
	if (err == 0 && options->tokens) {
		err = read_tokens(run);
		if (err < 0)
			fprintf(stderr, "parley-load: %s: %s\n", options->tokens, strerror(-err));
	}
	if (err == 0 && run->people.signalling->open)
		err = run->people.signalling->open(&run->people);
	if (err < 0)
		goto fail;
	run->people.loop = run->people.ws.loop = run->people.media.loop = run->loop;
	run->people.ws.tls = run->tls;
	run->people.ws.host = run->host;
	run->people.ws.authority = run->authority;
	run->people.ws.path = "/api/v1/events";
	*ret_run = run;
	return 0;
fail:
	run_free(run);
	return err;
}

struct run *run_free(struct run *run)
{
	if (!run)
		return NULL;
	run->people.api = api_free(run->people.api);
	for (unsigned i = 0; run->people.person && i < run->people.len; i++)
		person_fini(&run->people.person[i]);
	if (run->people.signalling->close)
		run->people.signalling->close(&run->people);
	loop_timer_stop(&run->tick);
	loop_timer_stop(&run->step);
	SSL_CTX_free(run->tls);
	loop_free(run->loop);
	free(run->people.person);
	free(run->call);
	free(run->received_before);
	free(run->sent_before);
	free(run->traffic_before);
	free(run);
	return NULL;
}
