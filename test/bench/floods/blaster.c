/*
 * Sends datagrams from a file to a port of 127.0.0.1, at a steady rate, for a while:
 *
 *   blaster PORT DATAGRAMS_A_SECOND SECONDS FILE [spoof]
 *
 * The file has them one behind the other, each behind its length as two bytes, big-endian. With `spoof` each comes from
 * another address of 127.0.0.0/8 and another port, by a raw socket. Prints how many were sent, how many bytes came back
 * to its own socket, and how many seconds it took, as JSON.
 */
#include <arpa/inet.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_DATAGRAMS 4096
#define MAX_BYTES 2048
#define TICK_SECONDS 0.0005

struct datagram {
  uint16_t length;
  uint8_t bytes[MAX_BYTES];
};

static struct datagram datagrams[MAX_DATAGRAMS];

static double seconds_now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec + time.tv_nsec / 1e9;
}

static int read_all(const char *path) {
  FILE *file = fopen(path, "rb");
  uint8_t length[2];
  int count = 0;
  if (file == NULL) return 0;
  while (count < MAX_DATAGRAMS && fread(length, 1, 2, file) == 2) {
    struct datagram *datagram = &datagrams[count];
    datagram->length = (uint16_t)(length[0] << 8 | length[1]);
    if (datagram->length > MAX_BYTES || fread(datagram->bytes, 1, datagram->length, file) != datagram->length) break;
    count++;
  }
  fclose(file);
  return count;
}

static uint16_t checksum(const void *bytes, size_t length) {
  const uint16_t *words = bytes;
  uint32_t sum = 0;
  for (size_t i = 0; i < length / 2; i++) sum += words[i];
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return (uint16_t)~sum;
}

/* An IPv4 packet around it; a UDP checksum of zero says that there is none. */
static size_t wrap(uint8_t *packet, const struct datagram *datagram, const struct sockaddr_in *to) {
  struct iphdr ip = {.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_UDP};
  struct udphdr udp = {0};
  size_t length = sizeof ip + sizeof udp + datagram->length;
  ip.saddr = htonl(0x7f000000u | ((uint32_t)random() & 0x00fffffeu) | 1u);
  ip.daddr = to->sin_addr.s_addr;
  ip.tot_len = htons((uint16_t)length);
  ip.check = checksum(&ip, sizeof ip);
  udp.source = htons((uint16_t)(1024 + random() % 60000));
  udp.dest = to->sin_port;
  udp.len = htons((uint16_t)(sizeof udp + datagram->length));
  memcpy(packet, &ip, sizeof ip);
  memcpy(packet + sizeof ip, &udp, sizeof udp);
  memcpy(packet + sizeof ip + sizeof udp, datagram->bytes, datagram->length);
  return length;
}

int main(int argc, char **argv) {
  if (argc < 5) {
    fprintf(stderr, "usage: blaster PORT DATAGRAMS_A_SECOND SECONDS FILE [spoof]\n");
    return 2;
  }
  const double rate = atof(argv[2]), seconds = atof(argv[3]);
  const int spoof = argc > 5, count = read_all(argv[4]);
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1]))};
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int out = spoof ? socket(AF_INET, SOCK_RAW, IPPROTO_RAW) : socket(AF_INET, SOCK_DGRAM, 0);
  if (count == 0 || out < 0) {
    perror("blaster");
    return 1;
  }
  uint64_t sent = 0, answered = 0;
  uint8_t packet[MAX_BYTES + 64];
  const double begun = seconds_now();
  for (double now = begun; now - begun < seconds; now = seconds_now()) {
    for (uint64_t due = (uint64_t)((now - begun) * rate); sent < due; sent++) {
      const struct datagram *datagram = &datagrams[sent % count];
      const void *bytes = datagram->bytes;
      size_t length = datagram->length;
      if (spoof) {
        length = wrap(packet, datagram, &to);
        bytes = packet;
      }
      sendto(out, bytes, length, 0, (struct sockaddr *)&to, sizeof to);
    }
    if (!spoof)
      for (ssize_t got; (got = recv(out, packet, sizeof packet, MSG_DONTWAIT)) > 0;) answered += (uint64_t)got;
    struct timespec pause = {.tv_nsec = (long)(TICK_SECONDS * 1e9)};
    nanosleep(&pause, NULL);
  }
  printf("{\"sent\":%llu,\"answeredBytes\":%llu,\"seconds\":%.3f}\n", (unsigned long long)sent,
         (unsigned long long)answered, seconds_now() - begun);
  close(out);
  return 0;
}
