"""Plain UDP: `server`, an echo, or `client PORT`, which takes lines `run OUTSTANDING SECONDS`."""

import json
import os
import select
import socket
import struct
import sys
import time

HOST = "127.0.0.1"
CONTENT_BYTES = 24
LOST_AFTER = 0.2
MAX_ANSWERS = 1_000_000


def say(**what):
    print(json.dumps(what), flush=True)


def open_socket():
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024 * 1024)
    # The kernel's timeout: settimeout() would make every call two.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, int(LOST_AFTER * 1e6)))
    sock.bind((HOST, 0))
    return sock


def parent_is_gone():
    return select.select([sys.stdin], [], [], 0)[0] != []


def serve():
    sock = open_socket()
    say(port=sock.getsockname()[1])
    while True:
        try:
            request, client = sock.recvfrom(64)
        except BlockingIOError:
            if parent_is_gone():
                return
            continue
        sock.sendto(request, client)


def run(sock, outstanding, seconds):
    now = time.perf_counter
    requests = [slot.to_bytes(2, "big") + bytes(CONTENT_BYTES - 2) for slot in range(outstanding)]
    latencies = []
    lost = 0
    started_cpu = time.process_time()
    started_at = now()
    ends_at = started_at + seconds
    next_look = started_at + LOST_AFTER
    sent_at = [started_at] * outstanding  # 0 when nothing is under way
    for request in requests:
        sock.send(request)
    while outstanding > 0:
        try:
            answer = sock.recv(64)
        except BlockingIOError:
            answer = None
        time_now = now()
        if answer is not None:
            slot = answer[0] << 8 | answer[1]
            if sent_at[slot] == 0:
                continue  # the second answer to a request that was sent twice
            latencies.append(time_now - sent_at[slot])
            if time_now < ends_at and len(latencies) + outstanding <= MAX_ANSWERS:
                sent_at[slot] = time_now
                sock.send(requests[slot])
            else:
                sent_at[slot] = 0
                outstanding -= 1
        if time_now >= next_look:
            next_look = time_now + LOST_AFTER
            if parent_is_gone():
                sys.exit()
            for slot, at in enumerate(sent_at):
                if at != 0 and at <= time_now - LOST_AFTER:
                    lost += 1
                    sent_at[slot] = time_now
                    sock.send(requests[slot])
    elapsed = now() - started_at
    cpu = time.process_time() - started_cpu

    latencies.sort()
    percentile_us = lambda p: latencies[int((len(latencies) - 1) * p)] * 1e6
    say(
        answers=len(latencies),
        perSecond=len(latencies) / elapsed,
        cpuUs=cpu * 1e6,
        p50Us=percentile_us(0.5),
        p99Us=percentile_us(0.99),
        lost=lost,
    )


def connect(port):
    sock = open_socket()
    sock.connect((HOST, port))
    say(ready=True)
    while line := os.read(0, 256):
        _, outstanding, seconds = line.split()
        run(sock, int(outstanding), float(seconds))


if sys.argv[1] == "server":
    serve()
else:
    connect(int(sys.argv[2]))
