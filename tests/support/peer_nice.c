#include "tests/support/peer_nice.h"

#include <nice/agent.h>
#include <stdlib.h>
#include <string.h>

#define TURN_US (5 * USEC_PER_MSEC)

struct peer_nice {
	struct peer *peer;
	struct loop *loop;
	struct loop_timer timer;
	GMainContext *context;
	NiceAgent *agent;
	guint stream;
	gchar *ufrag, *pwd;
};

static void on_turn(struct loop_timer *timer, int64_t now_us, void *arg)
{
	struct peer_nice *nice = arg;

	while (g_main_context_iteration(nice->context, FALSE))
		;
	loop_timer_start(nice->loop, timer, now_us + TURN_US, on_turn, nice);
}

static void on_agent_send(void *arg, const uint8_t *data, size_t len)
{
	struct peer_nice *nice = arg;

	nice_agent_send(nice->agent, nice->stream, 1, (guint)len, (const gchar *)data);
}

static void on_agent_receive(NiceAgent *agent, guint stream, guint component, guint len, gchar *buf, gpointer arg)
{
	struct peer_nice *nice = arg;
	uint8_t data[PEER_DATAGRAM_MAX] __attribute__((aligned(16)));

	(void)agent;
	(void)stream;
	(void)component;
	if (len > sizeof(data))
		return;
	memcpy(data, buf, len);
	peer_on_datagram(nice->peer, 0, data, len);
}

static void on_agent_state(NiceAgent *agent, guint stream, guint component, guint state, gpointer arg)
{
	struct peer_nice *nice = arg;

	(void)agent;
	(void)stream;
	(void)component;
	if (state == NICE_COMPONENT_STATE_READY)
		(void)peer_begin_dtls(nice->peer);
}

int peer_nice_new(const struct peer_config *config, const char *local, struct peer_nice **ret_nice)
{
	struct peer_nice *nice = calloc(1, sizeof(*nice));
	struct peer_config with_send = *config;
	NiceAddress address;

	if (!nice)
		return -ENOMEM;
	with_send.send = on_agent_send;
	with_send.send_arg = nice;
	nice->loop = config->loop;
	int err = peer_new(&with_send, &nice->peer);
	if (err < 0) {
		free(nice);
		return err;
	}
	nice->context = g_main_context_new();
	nice->agent =
		nice_agent_new_full(nice->context, NICE_COMPATIBILITY_RFC5245, NICE_AGENT_OPTION_REGULAR_NOMINATION);
	g_object_set(nice->agent, "controlling-mode", TRUE, "upnp", FALSE, "ice-tcp", FALSE, NULL);
	nice_address_init(&address);
	nice_address_set_from_string(&address, local);
	nice_agent_add_local_address(nice->agent, &address);
	nice->stream = nice_agent_add_stream(nice->agent, 1);
	nice_agent_attach_recv(nice->agent, nice->stream, 1, nice->context, on_agent_receive, nice);
	g_signal_connect(nice->agent, "component-state-changed", G_CALLBACK(on_agent_state), nice);
	nice_agent_get_local_credentials(nice->agent, nice->stream, &nice->ufrag, &nice->pwd);
	nice_agent_gather_candidates(nice->agent, nice->stream);
	on_turn(&nice->timer, clock_now_us(), nice);
	*ret_nice = nice;
	return 0;
}

struct peer_nice *peer_nice_free(struct peer_nice *nice)
{
	if (!nice)
		return NULL;
	loop_timer_stop(&nice->timer);
	nice_agent_attach_recv(nice->agent, nice->stream, 1, nice->context, NULL, NULL);
	g_object_unref(nice->agent);
	while (g_main_context_iteration(nice->context, FALSE))
		;
	g_main_context_unref(nice->context);
	g_free(nice->ufrag);
	g_free(nice->pwd);
	peer_free(nice->peer);
	free(nice);
	return NULL;
}

struct peer *peer_nice_peer(struct peer_nice *nice)
{
	return nice->peer;
}

const char *peer_nice_ufrag(const struct peer_nice *nice)
{
	return nice->ufrag;
}

const char *peer_nice_pwd(const struct peer_nice *nice)
{
	return nice->pwd;
}

int peer_nice_connect(struct peer_nice *nice, const struct peer_remote *remote)
{
	NiceCandidate *candidate = nice_candidate_new(NICE_CANDIDATE_TYPE_HOST);
	GSList *list = NULL;

	candidate->component_id = 1;
	candidate->stream_id = nice->stream;
	candidate->transport = NICE_CANDIDATE_TRANSPORT_UDP;
	candidate->priority = 2130706431;
	g_strlcpy(candidate->foundation, "1", NICE_CANDIDATE_MAX_FOUNDATION);
	nice_address_set_from_sockaddr(&candidate->addr, (const struct sockaddr *)&remote->address);
	list = g_slist_append(list, candidate);
	nice_agent_set_remote_credentials(nice->agent, nice->stream, remote->ufrag, remote->pwd);
	int taken = nice_agent_set_remote_candidates(nice->agent, nice->stream, 1, list);
	g_slist_free_full(list, (GDestroyNotify)nice_candidate_free);
	return taken == 1 ? 0 : -EINVAL;
}
