/* DTLS 1.2 with a pre-shared key: `server`, an echo for one client, or `client PORT` (see load.h). */
#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "load.h"

#define CIPHER "PSK-AES128-GCM-SHA256"
#define IDENTITY "client"

static const unsigned char KEY[16] = "benchmark's key";
static SSL *ssl;

static unsigned key_for_server(SSL *s, const char *hint, char *identity, unsigned identity_size,
                               unsigned char *psk, unsigned psk_size) {
  (void)s, (void)hint, (void)psk_size;
  snprintf(identity, identity_size, IDENTITY);
  memcpy(psk, KEY, sizeof KEY);
  return sizeof KEY;
}

static unsigned key_for_client(SSL *s, const char *identity, unsigned char *psk, unsigned psk_size) {
  (void)s, (void)psk_size;
  if (strcmp(identity, IDENTITY) != 0) return 0;
  memcpy(psk, KEY, sizeof KEY);
  return sizeof KEY;
}

static struct sockaddr_in loopback(unsigned port) {
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return a;
}

/* Blocks, so that nothing is called but what moves datagrams; the timeout is to look whether the parent lives. */
static int open_socket(void) {
  int fd = socket(AF_INET, SOCK_DGRAM, 0), size = 1024 * 1024;
  struct timeval timeout = {.tv_usec = LOST_AFTER_MS * 1000};
  struct sockaddr_in any_port = loopback(0);
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
  if (bind(fd, (struct sockaddr *)&any_port, sizeof any_port) != 0) exit(1);
  return fd;
}

static void open_session(int fd, struct sockaddr_in *peer) {
  SSL_CTX *context = SSL_CTX_new(DTLS_method());
  SSL_CTX_set_min_proto_version(context, DTLS1_2_VERSION);
  SSL_CTX_set_cipher_list(context, CIPHER);
  SSL_CTX_set_psk_client_callback(context, key_for_server);
  SSL_CTX_set_psk_server_callback(context, key_for_client);
  if (connect(fd, (struct sockaddr *)peer, sizeof *peer) != 0) exit(1);
  BIO *bio = BIO_new_dgram(fd, BIO_NOCLOSE);
  BIO_ctrl(bio, BIO_CTRL_DGRAM_SET_CONNECTED, 0, peer);
  ssl = SSL_new(context);
  SSL_set_bio(ssl, bio, bio);
}

static int timed_out(int result) { return SSL_get_error(ssl, result) == SSL_ERROR_WANT_READ; }

static void handshake(int (*step)(SSL *)) {
  int result;
  while ((result = step(ssl)) != 1) {
    if (!timed_out(result) || parent_is_gone()) exit(1);
  }
}

static void serve(void) {
  int fd = open_socket();
  struct sockaddr_in own, client;
  socklen_t size = sizeof own;
  unsigned char message[64];
  getsockname(fd, (struct sockaddr *)&own, &size);
  printf("{\"port\":%u}\n", ntohs(own.sin_port));
  fflush(stdout);
  do {
    if (parent_is_gone()) exit(0);
    size = sizeof client;
  } while (recvfrom(fd, message, sizeof message, MSG_PEEK, (struct sockaddr *)&client, &size) < 0);
  open_session(fd, &client);
  handshake(SSL_accept);
  for (;;) {
    int length = SSL_read(ssl, message, sizeof message);
    if (length > 0) SSL_write(ssl, message, length);
    else if (!timed_out(length)) break; /* the client said goodbye */
    else if (parent_is_gone()) return;
  }
  while (read(0, message, sizeof message) > 0) {
  }
}

static void ask(unsigned slot) {
  unsigned char message[CONTENT_BYTES] = {slot >> 8, slot & 0xff};
  SSL_write(ssl, message, sizeof message);
}

static void wait_for_answer(void) {
  unsigned char message[64];
  int length = SSL_read(ssl, message, sizeof message);
  if (length > 0) load_answered(message[0] << 8 | message[1]);
  else if (!timed_out(length)) exit(1);
}

int main(int count, char **arguments) {
  if (count == 2 && strcmp(arguments[1], "server") == 0) {
    serve();
  } else if (count == 3 && strcmp(arguments[1], "client") == 0) {
    struct sockaddr_in server = loopback(atoi(arguments[2]));
    open_session(open_socket(), &server);
    handshake(SSL_connect);
    load_serve(ask, wait_for_answer, 0);
    SSL_shutdown(ssl);
  } else {
    return 2;
  }
  return 0;
}
