/* What ../load.mjs does, for clients in C: so many requests outstanding for so long, and how fast they were answered. */
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#define CONTENT_BYTES 24
#define LOST_AFTER_MS 200
#define MAX_ANSWERS 1000000
#define MAX_OUTSTANDING 65536
#define NS_PER_MS 1000000ull
/* A run that its answers do not end ends with the program, this long after its time. */
#define PATIENCE_MS 10000

static struct {
  void (*send)(unsigned slot);
  int retransmits; /* the protocol does so itself */
  unsigned slots;
  unsigned outstanding;
  unsigned answers;
  unsigned lost;
  uint64_t started_at;
  uint64_t ends_at;
  uint64_t next_look;
  double started_cpu_us;
  uint64_t sent_at[MAX_OUTSTANDING]; /* 0 when nothing is under way */
  uint32_t latencies_ns[MAX_ANSWERS];
} load;

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static double cpu_us(void) {
  struct rusage u;
  getrusage(RUSAGE_SELF, &u);
  return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 + u.ru_utime.tv_usec + u.ru_stime.tv_usec;
}

/* Nobody writes to a server, and to a client only between runs: so there is something to read when it is closed. */
static int parent_is_gone(void) {
  struct pollfd in = {.fd = 0, .events = POLLIN};
  return poll(&in, 1, 0) != 0;
}

static void load_send(unsigned slot, uint64_t now) {
  load.sent_at[slot] = now;
  load.send(slot);
}

/* Takes an answer, and asks again. */
static void load_answered(unsigned slot) {
  if (slot >= load.slots || load.sent_at[slot] == 0) return; /* the second answer to what was sent twice */
  uint64_t now = now_ns();
  load.latencies_ns[load.answers++] = now - load.sent_at[slot];
  if (now < load.ends_at && load.answers + load.outstanding <= MAX_ANSWERS) {
    load_send(slot, now);
  } else {
    load.sent_at[slot] = 0;
    load.outstanding--;
  }
}

/* To be called after every wait for an answer, however it ended. */
static void load_look(void) {
  uint64_t now = now_ns();
  if (now < load.next_look) return;
  load.next_look = now + LOST_AFTER_MS * NS_PER_MS;
  if (parent_is_gone()) exit(0);
  if (now > load.ends_at + PATIENCE_MS * NS_PER_MS) exit(1);
  for (unsigned slot = 0; slot < load.slots; slot++) {
    if (load.sent_at[slot] == 0 || load.sent_at[slot] + LOST_AFTER_MS * NS_PER_MS > now) continue;
    load.lost++;
    if (!load.retransmits) load_send(slot, now);
  }
}

static int by_value(const void *a, const void *b) {
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return x < y ? -1 : x > y;
}

static double percentile_us(double p) {
  return load.latencies_ns[(unsigned)((load.answers - 1) * p)] / 1e3;
}

/* Obeys lines `run OUTSTANDING SECONDS` until standard input closes. `wait` handles what arrives, or times out. */
static void load_serve(void (*send)(unsigned slot), void (*wait)(void), int retransmits) {
  char line[256];
  unsigned outstanding;
  double seconds;
  load.send = send;
  load.retransmits = retransmits;
  printf("{\"ready\":true}\n");
  fflush(stdout);
  while (fgets(line, sizeof line, stdin)) {
    if (sscanf(line, "run %u %lf", &outstanding, &seconds) != 2 || outstanding < 1 ||
        outstanding > MAX_OUTSTANDING) {
      exit(1);
    }
    load.slots = load.outstanding = outstanding;
    load.answers = load.lost = 0;
    load.started_cpu_us = cpu_us();
    load.started_at = now_ns();
    load.ends_at = load.started_at + (uint64_t)(seconds * 1e9);
    load.next_look = load.started_at + LOST_AFTER_MS * NS_PER_MS;
    for (unsigned slot = 0; slot < outstanding; slot++) load_send(slot, load.started_at);
    while (load.outstanding > 0) {
      wait();
      load_look();
    }
    double elapsed_s = (now_ns() - load.started_at) / 1e9, cpu = cpu_us() - load.started_cpu_us;
    qsort(load.latencies_ns, load.answers, sizeof load.latencies_ns[0], by_value);
    printf("{\"answers\":%u,\"perSecond\":%f,\"cpuUs\":%f,\"p50Us\":%f,\"p99Us\":%f,\"lost\":%u}\n",
           load.answers, load.answers / elapsed_s, cpu, percentile_us(0.5), percentile_us(0.99), load.lost);
    fflush(stdout);
  }
}
