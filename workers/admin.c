#include "workers/admin.h"

#include "lib/clock.h"
#include "workers/admin_api.h"
#include "workers/db.h"
#include "workers/request.h"
#include "workers/router.h"
#include "workers/worker.h"

#include <string.h>

struct metric {
	const char *name; /* after "parley_" */
	const char *type;
	const char *help;
	size_t offset;
	double scale; /* 0 = a whole number */
};

#define W(field) offsetof(struct stats_worker, field)
#define M(field) offsetof(struct stats_mediad, field)

static const struct metric worker_metrics[] = {
	{ "worker_pid", "gauge", "The process.", W(process.pid), 0 },
	{ "worker_connections", "gauge", "Client connections.", W(connections), 0 },
	{ "worker_websockets", "gauge", "Open WebSockets.", W(websockets), 0 },
	{ "worker_db_connections", "gauge", "Connections to PostgreSQL that are ready.", W(db_up), 0 },
	{ "worker_accepted_total", "counter", "Connections accepted.", W(accepted), 0 },
	{ "worker_tls_handshakes_total", "counter", "TLS handshakes completed.", W(tls_handshakes), 0 },
	{ "worker_tls_failures_total", "counter", "TLS handshakes that failed.", W(tls_failures), 0 },
	{ "worker_requests_total", "counter", "HTTP requests.", W(requests), 0 },
	{ "worker_responses_4xx_total", "counter", "Answers 400 to 499.", W(responses_4xx), 0 },
	{ "worker_responses_5xx_total", "counter", "Answers 500 to 599.", W(responses_5xx), 0 },
	{ "worker_bad_requests_total", "counter", "Requests that were not HTTP.", W(bad_requests), 0 },
	{ "worker_websocket_messages_received_total", "counter", "Text messages from clients.", W(ws_messages_in), 0 },
	{ "worker_websocket_messages_sent_total", "counter", "Text messages to clients.", W(ws_messages_out), 0 },
	{ "worker_websockets_cut_total", "counter", "WebSockets cut for not reading.", W(ws_cut), 0 },
	{ "worker_events_sent_total", "counter", "Events delivered here.", W(events_sent), 0 },
	{ "worker_events_relayed_total", "counter", "Events sent to other workers.", W(events_relayed), 0 },
	{ "worker_events_dropped_total", "counter", "Events lost to a full ring.", W(events_dropped), 0 },
	{ "worker_db_queries_total", "counter", "Statements sent.", W(db_queries), 0 },
	{ "worker_db_errors_total", "counter", "Statements answered with an error.", W(db_errors), 0 },
	{ "worker_db_lost_total", "counter", "Connections to PostgreSQL that were lost.", W(db_lost), 0 },
	{ "worker_link_full_total", "counter", "Messages refused by a full ring.", W(link_full), 0 },
	{ "worker_link_nonsense_total", "counter", "Malformed messages in rings.", W(link_nonsense), 0 },
	{ "worker_throttled_total", "counter", "Requests refused by a rate limit.", W(throttled), 0 },
	{ "worker_reconciled_total", "counter", "Orphaned transports freed.", W(reconciled), 0 },
	{ "worker_cpu_seconds_total", "counter", "CPU time, of the threads for passwords too.", W(cpu_us), 1e-6 },
	{ "worker_media_refused_total", "counter",
	  "Participants turned away because every media process was over its budget.", W(media_refused), 0 },
	{ "worker_password_hashes_total", "counter", "Password hashes computed.", W(hashes), 0 },
};

static const struct metric mediad_metrics[] = {
	{ "mediad_transports", "gauge", "Transports.", M(transports), 0 },
	{ "mediad_tracks", "gauge", "Tracks that are received.", M(tracks), 0 },
	{ "mediad_seats", "gauge", "Seats.", M(seats), 0 },
	{ "mediad_seats_limited", "gauge", "Seats that get a lower layer than their tile shows, for want of bandwidth.",
	  M(seats_limited), 0 },
	{ "mediad_seats_weak", "gauge", "Of these those that get nothing.", M(seats_weak), 0 },
	{ "media_ring_age_seconds", "gauge", "Age of the oldest packet in the media ring.", M(ring_age_us), 1e-6 },
	{ "mediad_packets_received_total", "counter", "Datagrams received.", M(packets_received), 0 },
	{ "mediad_bytes_received_total", "counter", "Bytes received.", M(bytes_received), 0 },
	{ "mediad_packets_forwarded_total", "counter", "RTP packets forwarded.", M(packets_forwarded), 0 },
	{ "mediad_bytes_forwarded_total", "counter", "RTP bytes forwarded.", M(bytes_forwarded), 0 },
	{ "mediad_cpu_seconds_total", "counter", "CPU time.", M(cpu_us), 1e-6 },
	{ "mediad_stun_ok_total", "counter", "STUN checks answered.", M(stun_ok), 0 },
	{ "mediad_stun_bad_total", "counter", "STUN messages refused.", M(stun_bad), 0 },
	{ "mediad_dtls_handshakes_total", "counter", "DTLS handshakes completed.", M(dtls_handshakes), 0 },
	{ "mediad_dtls_failures_total", "counter", "DTLS handshakes that failed.", M(dtls_failures), 0 },
	{ "mediad_dtls_fingerprint_mismatch_total", "counter", "Certificates that were not the offer's.",
	  M(dtls_fingerprint_mismatch), 0 },
	{ "mediad_srtp_decrypted_total", "counter", "SRTP and SRTCP packets decrypted.", M(srtp_decrypted), 0 },
	{ "mediad_srtp_auth_failures_total", "counter", "Packets that failed authentication.", M(srtp_auth_failures),
	  0 },
	{ "mediad_srtp_replays_total", "counter", "Packets seen before.", M(srtp_replays), 0 },
	{ "mediad_rtcp_received_total", "counter", "RTCP packets received.", M(rtcp_received), 0 },
	{ "mediad_rtcp_bad_total", "counter", "Malformed RTCP packets.", M(rtcp_bad), 0 },
	{ "mediad_rtp_bad_total", "counter", "Malformed RTP packets.", M(rtp_bad), 0 },
	{ "mediad_rtp_unknown_ssrc_total", "counter", "RTP packets of no known track.", M(rtp_unknown_ssrc), 0 },
	{ "mediad_datagrams_unknown_total", "counter", "Datagrams of no known kind or peer.", M(datagrams_unknown), 0 },
	{ "mediad_nacks_received_total", "counter", "NACKs from subscribers.", M(nacks_received), 0 },
	{ "mediad_nacks_sent_total", "counter", "NACKs to publishers.", M(nacks_sent), 0 },
	{ "mediad_rtx_sent_total", "counter", "Retransmissions sent.", M(rtx_sent), 0 },
	{ "mediad_rtx_received_total", "counter", "Retransmissions received.", M(rtx_received), 0 },
	{ "mediad_rtx_missing_total", "counter", "Packets asked for that were gone.", M(rtx_missing), 0 },
	{ "mediad_plis_received_total", "counter", "Key frame requests from subscribers.", M(plis_received), 0 },
	{ "mediad_plis_sent_total", "counter", "Key frame requests to publishers.", M(plis_sent), 0 },
	{ "mediad_keyframes_total", "counter", "Key frames received.", M(keyframes), 0 },
	{ "mediad_layer_switches_total", "counter", "Seats that went on with another layer of their source.",
	  M(layer_switches), 0 },
	{ "mediad_packed_packets_total", "counter",
	  "Packets of sound sent with several frames, over paths that hardly take it.", M(packed_packets), 0 },
	{ "mediad_red_packets_total", "counter", "Packets of sound sent with older ones along (RFC 2198).",
	  M(red_packets), 0 },
	{ "mediad_red_bytes_total", "counter", "Bytes that this added.", M(red_bytes), 0 },
	{ "mediad_probes_total", "counter", "Probes for more bandwidth.", M(probes), 0 },
	{ "mediad_paced_packets_total", "counter", "Packets that waited for room in a narrow path.", M(paced_packets),
	  0 },
	{ "mediad_paced_wait_seconds_total", "counter", "How long they waited, all together.", M(paced_wait_us), 1e-6 },
	{ "mediad_paced_wait_seconds_max", "gauge", "The longest that one of them ever waited.", M(paced_longest_us),
	  1e-6 },
	{ "mediad_paced_dropped_total", "counter", "Packets that were gone, or had nowhere to go, when there was room.",
	  M(paced_dropped), 0 },
	{ "mediad_twcc_sent_total", "counter", "Transport-wide feedback sent.", M(twcc_sent), 0 },
	{ "mediad_reports_sent_total", "counter", "Sender and receiver reports sent.", M(reports_sent), 0 },
	{ "mediad_send_batches_total", "counter", "System calls that sent.", M(send_batches), 0 },
	{ "mediad_send_messages_total", "counter", "Messages in them.", M(send_messages), 0 },
	{ "mediad_send_errors_total", "counter", "Packets that the kernel refused.", M(send_errors), 0 },
	{ "mediad_segment_messages_total", "counter", "Messages of several packets each (UDP_SEGMENT).",
	  M(segment_messages), 0 },
	{ "mediad_segments_total", "counter", "The packets in these.", M(segments), 0 },
	{ "mediad_padding_bytes_total", "counter", "Padding that made packets equally long for it.", M(padding_bytes),
	  0 },
	{ "mediad_segment_fallbacks_total", "counter", "Messages that had to be sent packet by packet after all.",
	  M(segment_fallbacks), 0 },
	{ "mediad_receive_batches_total", "counter", "System calls that received.", M(receive_batches), 0 },
	{ "mediad_ring_published_total", "counter", "Slots published in the media ring.", M(ring_published), 0 },
	{ "mediad_ring_given_back_total", "counter", "Slots given back unused.", M(ring_given_back), 0 },
	{ "mediad_ring_lost_total", "counter", "Descriptors lost to being lapped.", M(ring_lost), 0 },
	{ "mediad_ring_stale_total", "counter", "Slots that were overwritten before use.", M(ring_stale), 0 },
	{ "mediad_link_full_total", "counter", "Messages refused by a full ring.", M(link_full), 0 },
	{ "mediad_link_nonsense_total", "counter", "Malformed messages in rings.", M(link_nonsense), 0 },
	{ "mediad_wakeups_total", "counter", "Times that another process rang this one awake.", M(wakeups), 0 },
	{ "mediad_turns_total", "counter", "Turns of the loop.", M(turns), 0 },
	{ "mediad_tcp_accepted_total", "counter", "TCP connections for media accepted.", M(tcp_accepted), 0 },
	{ "mediad_tcp_closed_total", "counter", "Of these, the ones that have ended.", M(tcp_closed), 0 },
	{ "mediad_tcp_strangers_total", "counter", "Of these, the ones that never sent a valid check.",
	  M(tcp_strangers), 0 },
	{ "mediad_tcp_dropped_total", "counter", "Packets that a full TCP connection did not take.", M(tcp_dropped),
	  0 },
	{ "mediad_busy_seconds_total", "counter", "Time in which the loop worked, or waited for its core.", M(busy_us),
	  1e-6 },
	{ "mediad_waiting_seconds_total", "counter", "Time in which the loop slept for want of work.", M(waited_us),
	  1e-6 },
	{ "mediad_sleeps_total", "counter", "Turns that had nothing left to do.", M(sleeps), 0 },
	{ "mediad_cipher_samples_total", "counter", "Outgoing packets whose encryption was timed, one in 256.",
	  M(cipher_samples), 0 },
	{ "mediad_cipher_sampled_seconds_total", "counter", "How long that took, all together.", M(cipher_ns), 1e-9 },
	{ "mediad_socket_drops_total", "counter",
	  "Datagrams that the kernel threw away, a UDP socket's queue being full.", M(socket_drops), 0 },
	{ "mediad_socket_queue_bytes", "gauge", "What waits in the UDP sockets' queues.", M(queue_bytes), 0 },
	{ "mediad_ring_laps_total", "counter", "Times that another media process was a whole ring ahead.", M(ring_laps),
	  0 },
	{ "mediad_ring_waiting_packets", "gauge",
	  "Packets of other media processes that waited here, the most of the last quarter of a second.",
	  M(ring_waiting), 0 },
	{ "mediad_core", "gauge", "The core it ran on a moment ago.", M(core), 0 },
	{ "mediad_load_ratio", "gauge", "CPU time by time, smoothed over some seconds; 1 is the whole core.",
	  M(load_permille), 1e-3 },
	{ "mediad_over_budget", "gauge", "1 while it takes no new participants (media.budget_percent).", M(over_budget),
	  0 },
	{ "mediad_consent_lost_total", "counter", "Transports ended for want of consent.", M(consent_lost), 0 },
};

/* Where the slots of one role lie in the region. */
struct role {
	const char *label;
	size_t offset, stride;
	size_t count;
};

static const struct role worker_role = { "worker", offsetof(struct stats_region, worker), sizeof(struct stats_worker),
					 SHM_PROCESSES_MAX };
static const struct role mediad_role = { "mediad", offsetof(struct stats_region, mediad), sizeof(struct stats_mediad),
					 SHM_PROCESSES_MAX };

static const uint8_t *slot(const struct stats_region *stats, const struct role *role, size_t i)
{
	return (const uint8_t *)stats + role->offset + i * role->stride;
}

/* Both slots begin with a struct stats_process. */
_Static_assert(offsetof(struct stats_worker, process) == 0 && offsetof(struct stats_mediad, process) == 0, "layout");

static const struct stats_process *process(const struct stats_region *stats, const struct role *role, size_t i)
{
	return (const struct stats_process *)slot(stats, role, i);
}

static bool is_there(const struct stats_region *stats, const struct role *role, size_t i)
{
	return stat_get(&process(stats, role, i)->state) != PROCESS_ABSENT;
}

static void write_header(struct buf *text, const char *name, const char *type, const char *help)
{
	buf_appendf(text, "# HELP parley_%s %s\n# TYPE parley_%s %s\n", name, help, name, type);
}

static void write_value(struct buf *text, uint64_t value, double scale)
{
	if (scale != 0)
		buf_appendf(text, scale < 1e-6 ? " %.9f\n" : " %.6f\n", (double)value * scale);
	else
		buf_appendf(text, " %llu\n", (unsigned long long)value);
}

static void write_role(const struct stats_region *stats, const struct role *role, const struct metric *metrics,
		       size_t metrics_len, struct buf *text)
{
	for (size_t m = 0; m < metrics_len; m++) {
		write_header(text, metrics[m].name, metrics[m].type, metrics[m].help);
		for (size_t i = 0; i < role->count; i++) {
			if (!is_there(stats, role, i))
				continue;
			buf_appendf(text, "parley_%s{%s=\"%zu\"}", metrics[m].name, role->label, i);
			write_value(text, stat_get((const stat_t *)(slot(stats, role, i) + metrics[m].offset)),
				    metrics[m].scale);
		}
	}
}

static void write_ring_packets(const struct stats_region *stats, struct buf *text)
{
	write_header(text, "media_ring_packets_total", "counter",
		     "Packets that mediad `to` took from the media ring of mediad `from`.");
	for (size_t to = 0; to < SHM_PROCESSES_MAX; to++) {
		for (size_t from = 0; from < SHM_PROCESSES_MAX; from++) {
			if (from == to || !is_there(stats, &mediad_role, to) || !is_there(stats, &mediad_role, from))
				continue;
			buf_appendf(text, "parley_media_ring_packets_total{from=\"%zu\",to=\"%zu\"}", from, to);
			write_value(text, stat_get(&stats->mediad[to].ring_packets_from[from]), 0);
		}
	}
}

static void write_alive(const struct stats_region *stats, const struct role *role, struct buf *text)
{
	int64_t now_us = clock_now_us();

	for (size_t i = 0; i < role->count; i++) {
		const struct stats_process *p = process(stats, role, i);
		int64_t age_us = now_us - (int64_t)stat_get(&p->heartbeat_us);
		if (!is_there(stats, role, i))
			continue;
		buf_appendf(text, "parley_process_heartbeat_age_seconds{role=\"%s\",index=\"%zu\"} %.6f\n", role->label,
			    i, (double)MAX(age_us, (int64_t)0) * 1e-6);
	}
}

/* What ps and top(1) call them. */
static void write_pids(const struct stats_region *stats, const struct role *role, struct buf *text)
{
	for (size_t i = 0; i < role->count; i++) {
		if (is_there(stats, role, i))
			buf_appendf(text, "parley_process_pid{role=\"%s\",index=\"%zu\"} %llu\n", role->label, i,
				    (unsigned long long)stat_get(&process(stats, role, i)->pid));
	}
}

static void write_processes(const struct stats_region *stats, struct buf *text)
{
	write_header(text, "process_restarts_total", "counter", "Processes that the master started again.");
	buf_appendf(text, "parley_process_restarts_total{role=\"worker\"} %llu\n",
		    (unsigned long long)stat_get(&stats->master.restarts_worker));
	buf_appendf(text, "parley_process_restarts_total{role=\"mediad\"} %llu\n",
		    (unsigned long long)stat_get(&stats->master.restarts_mediad));
	write_header(text, "reloads_total", "counter", "Reloads of the configuration.");
	buf_appendf(text, "parley_reloads_total %llu\n", (unsigned long long)stat_get(&stats->master.reloads));
	write_header(text, "process_heartbeat_age_seconds", "gauge", "How long ago a process said that it lives.");
	write_alive(stats, &worker_role, text);
	write_alive(stats, &mediad_role, text);
	write_header(text, "process_pid", "gauge", "Process id.");
	write_pids(stats, &worker_role, text);
	write_pids(stats, &mediad_role, text);
}

void admin_metrics(const struct stats_region *stats, struct buf *ret_text)
{
	write_processes(stats, ret_text);
	write_role(stats, &worker_role, worker_metrics, ARRAY_LEN(worker_metrics), ret_text);
	write_role(stats, &mediad_role, mediad_metrics, ARRAY_LEN(mediad_metrics), ret_text);
	write_ring_packets(stats, ret_text);
}

static void get_health(struct request *req)
{
	reply(req, 200, "text/plain; charset=utf-8", "ok\n", 3);
}

static void get_ready(struct request *req)
{
	static const char *const texts[] = { "ready\n", "draining\n", "database away\n" };
	int why = req->worker->draining ? 1 : db_is_up(req->worker->db) ? 0 : 2;

	reply(req, why ? 503 : 200, "text/plain; charset=utf-8", texts[why], strlen(texts[why]));
}

static void get_metrics(struct request *req)
{
	struct buf text = { 0 };

	admin_metrics(req->worker->stats.shm, &text);
	if (text.failed)
		reply_problem(req, 503, "overloaded", NULL, "The server is out of memory.");
	else
		reply(req, 200, "text/plain; version=0.0.4; charset=utf-8", text.data, text.len);
	buf_fini(&text);
}

void admin_dispatch(struct request *req)
{
	static const struct {
		const char *path;
		void (*handler)(struct request *req);
	} pages[] = {
		{ "/healthz", get_health },
		{ "/readyz", get_ready },
		{ "/metrics", get_metrics },
	};

	if (admin_api_dispatch(req))
		return;
	for (size_t i = 0; i < ARRAY_LEN(pages); i++) {
		if (strcmp(req->path, pages[i].path) != 0)
			continue;
		if (req->method == HTTP_GET || req->method == HTTP_HEAD) {
			pages[i].handler(req);
			return;
		}
		router_reply_not_allowed(req, 1u << HTTP_GET);
		return;
	}
	reply_problem(req, 404, "not_found", NULL, "There is /healthz, /readyz, /metrics and /admin/v1.");
}
