/* CoAP of libcoap over DTLS with a pre-shared key: `server`, or `client PORT` (see load.h). Confirmable requests. */
#include <arpa/inet.h>
#include <coap3/coap.h>
#include <string.h>
#include <sys/socket.h>

#include "load.h"

#define IDENTITY "client"
#define KEY "benchmark's key"
#define PATH "bench"
/* A usual length; the first two bytes hold the slot. */
#define TOKEN_BYTES 8
/* As many as a client may have outstanding here. By default it is one, and all others wait. */
#define NSTART 1024
/* What is lost is sent again after this. By default it is two seconds, longer than a round. */
#define ACK_TIMEOUT ((coap_fixed_point_t){0, LOST_AFTER_MS})
/* libcoap opens the sockets, gives no access to them, and none of its files has a higher number. */
#define MAX_FD 32

static coap_context_t *context;
static coap_session_t *session;

static coap_bin_const_t bytes(const char *text) {
  return (coap_bin_const_t){.s = (const uint8_t *)text, .length = strlen(text)};
}

static coap_address_t loopback(unsigned port) {
  coap_address_t a;
  coap_address_init(&a);
  a.size = sizeof a.addr.sin;
  a.addr.sin.sin_family = AF_INET;
  a.addr.sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  a.addr.sin.sin_port = htons(port);
  return a;
}

/* As large as with other peers, or 256 outstanding requests overflow it. Of no effect on what is no socket. */
static void enlarge_buffers(void) {
  int size = 1024 * 1024;
  for (int fd = 3; fd < MAX_FD; fd++) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
}

static void answer(coap_resource_t *resource, coap_session_t *client, const coap_pdu_t *request,
                   const coap_string_t *query, coap_pdu_t *response) {
  static const uint8_t content[CONTENT_BYTES];
  (void)resource, (void)client, (void)request, (void)query;
  coap_pdu_set_code(response, COAP_RESPONSE_CODE_CONTENT);
  coap_add_data(response, sizeof content, content);
}

/* libcoap does not say which port it got: one is looked for in the range for such. */
static unsigned listen_somewhere(void) {
  for (unsigned attempt = 0; attempt < 100; attempt++) {
    unsigned port = 49152 + (now_ns() / 1000 + attempt * 7919) % 16384;
    coap_address_t own = loopback(port);
    if (coap_new_endpoint(context, &own, COAP_PROTO_DTLS)) return port;
  }
  exit(1);
}

static void serve(void) {
  coap_dtls_spsk_t psk = {.version = COAP_DTLS_SPSK_SETUP_VERSION};
  psk.psk_info.key = bytes(KEY);
  if (!coap_context_set_psk2(context, &psk)) exit(1);
  coap_resource_t *resource = coap_resource_init(coap_make_str_const(PATH), 0);
  coap_register_request_handler(resource, COAP_REQUEST_GET, answer);
  coap_add_resource(context, resource);
  unsigned port = listen_somewhere();
  enlarge_buffers();
  printf("{\"port\":%u}\n", port);
  fflush(stdout);
  uint64_t next_look = 0;
  for (;;) {
    coap_io_process(context, LOST_AFTER_MS);
    uint64_t now = now_ns();
    if (now < next_look) continue;
    next_look = now + LOST_AFTER_MS * NS_PER_MS;
    if (parent_is_gone()) return;
  }
}

/* A GET has no payload: its path and token are what the content of other peers' requests is. */
static void ask(unsigned slot) {
  uint8_t token[TOKEN_BYTES] = {slot >> 8, slot & 0xff};
  coap_pdu_t *request = coap_new_pdu(COAP_MESSAGE_CON, COAP_REQUEST_CODE_GET, session);
  coap_add_token(request, sizeof token, token);
  coap_add_option(request, COAP_OPTION_URI_PATH, strlen(PATH), (const uint8_t *)PATH);
  coap_send(session, request);
}

static coap_response_t take(coap_session_t *from, const coap_pdu_t *sent, const coap_pdu_t *received,
                            const coap_mid_t id) {
  (void)from, (void)sent, (void)id;
  coap_bin_const_t token = coap_pdu_get_token(received);
  if (token.length == TOKEN_BYTES) load_answered(token.s[0] << 8 | token.s[1]);
  return COAP_RESPONSE_OK;
}

static void wait_for_answer(void) { coap_io_process(context, LOST_AFTER_MS); }

static void run_client(unsigned port) {
  coap_dtls_cpsk_t psk = {.version = COAP_DTLS_CPSK_SETUP_VERSION};
  coap_address_t server = loopback(port);
  psk.psk_info.identity = bytes(IDENTITY);
  psk.psk_info.key = bytes(KEY);
  session = coap_new_client_session_psk2(context, NULL, &server, COAP_PROTO_DTLS, &psk);
  if (!session) exit(1);
  enlarge_buffers();
  coap_session_set_nstart(session, NSTART);
  coap_session_set_ack_timeout(session, ACK_TIMEOUT);
  coap_register_response_handler(context, take);
  uint64_t give_up_at = now_ns() + PATIENCE_MS * NS_PER_MS;
  while (coap_session_get_state(session) != COAP_SESSION_STATE_ESTABLISHED) {
    coap_io_process(context, LOST_AFTER_MS);
    if (now_ns() > give_up_at || parent_is_gone()) exit(1);
  }
  load_serve(ask, wait_for_answer, 1);
  coap_session_release(session);
}

int main(int count, char **arguments) {
  coap_startup();
  coap_set_log_level(LOG_EMERG);
  coap_dtls_set_log_level(LOG_EMERG);
  context = coap_new_context(NULL);
  if (!context) return 1;
  if (count == 2 && strcmp(arguments[1], "server") == 0) serve();
  else if (count == 3 && strcmp(arguments[1], "client") == 0) run_client(atoi(arguments[2]));
  else return 2;
  coap_free_context(context);
  coap_cleanup();
  return 0;
}
