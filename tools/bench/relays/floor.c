/* The floor: the least that a relay of these frames costs. One thread, epoll, no checks, no JSON reader; it knows
 * the texts of the load by their beginnings.  cc -O2 floor.c -o floor && ./floor PORT */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PENDING, WORKSTATION, CLIENT };

struct peer {
  int fd, role, open, full, count, room; /* full: the kernel takes no more */
  char device[64];
  uint32_t tunnel;
  struct peer *home, **devices; /* a client's workstation; a workstation's clients */
  char *in, *out;
  size_t have, size, unsent, out_size;
};

static struct peer **stations;
static uint32_t station_count;
static int poller;

static void *grown(void *old, size_t size) {
  void *new = realloc(old, size);
  if (!new) abort();
  return new;
}

static void flush(struct peer *p) {
  size_t at = 0;
  if (!p->open) p->unsent = 0;
  while (at < p->unsent) {
    ssize_t n = write(p->fd, p->out + at, p->unsent - at);
    if (n <= 0) break;
    at += n;
  }
  memmove(p->out, p->out + at, p->unsent - at);
  p->unsent -= at;
  if (p->full == (p->unsent != 0)) return;
  p->full = p->unsent != 0;
  struct epoll_event e = {.events = EPOLLIN | (p->full ? EPOLLOUT : 0), .data.ptr = p};
  epoll_ctl(poller, EPOLL_CTL_MOD, p->fd, &e);
}

static struct peer *dirty[65536];
static int dirty_count;

static char *space(struct peer *p, size_t size) {
  if (p->out_size < p->unsent + size) p->out = grown(p->out, p->out_size = (p->unsent + size) * 2);
  if (!p->unsent && dirty_count < 65536) dirty[dirty_count++] = p;
  char *at = p->out + p->unsent;
  p->unsent += size;
  return at;
}

static char *begin_frame(struct peer *p, size_t size) { /* returns where its text goes */
  if (size < 126) {
    char *at = space(p, size + 2);
    at[0] = (char)0x81, at[1] = (char)size;
    return at + 2;
  }
  int head = size < 65536 ? 4 : 10;
  char *at = space(p, size + head);
  at[0] = (char)0x81, at[1] = head == 4 ? 126 : 127;
  for (int i = head - 1, s = 0; i >= 2; i--, s += 8) at[i] = (char)(size >> s);
  return at + head;
}

static void text(struct peer *p, const char *t, size_t size) { memcpy(begin_frame(p, size), t, size); }

static const char *value(const char *t, size_t size, const char *name) {
  const char *at = memmem(t, size, name, strlen(name));
  return at ? at + strlen(name) : NULL;
}

static void joined(struct peer *p, const char *t, size_t size) {
  char answer[200];
  if (value(t, size, "\"workstation.register\"")) {
    stations = grown(stations, sizeof(*stations) * (station_count + 1));
    stations[p->tunnel = station_count++] = p;
    p->role = WORKSTATION;
    sprintf(answer, "{\"type\":\"workstation.registered\",\"payload\":{\"tunnel_id\":\"%08x\"}}", p->tunnel);
  } else {
    const char *tunnel = value(t, size, "\"tunnel_id\":\""), *device = value(t, size, "\"device_id\":\"");
    if (!tunnel || !device) return;
    struct peer *home = p->home = stations[strtoul(tunnel, NULL, 16)];
    sscanf(device, "%60[^\"]", p->device);
    if (home->count == home->room)
      home->devices = grown(home->devices, sizeof(p) * (home->room = home->room ? 2 * home->room : 4));
    home->devices[home->count++] = p;
    p->role = CLIENT;
    strcpy(answer, "{\"type\":\"connected\",\"payload\":{}}");
  }
  text(p, answer, strlen(answer));
}

static void forward(struct peer *home, const char *t, size_t size) {
  const char *device = value(t, size > 200 ? 200 : size, "\"device_id\":\"");
  const char *payload = value(t, size, "\"payload\":\""), *end = t + size - 2;
  if (!device || !payload) return;
  size_t length = 0;
  for (const char *c = payload; c < end; c++, length++)
    if (*c == '\\') c++;
  for (int i = 0; i < home->count; i++) {
    struct peer *p = home->devices[i];
    size_t n = strlen(p->device);
    if (!p->open || memcmp(p->device, device, n) || device[n] != '"') continue;
    char *to = begin_frame(p, length);
    for (const char *c = payload; c < end; c++) *to++ = *c == '\\' ? *++c : *c;
  }
}

static void message(struct peer *p, const char *t, size_t size) {
  if (size > 15 && !memcmp(t, "{\"type\":\"ping\",", 15)) {
    char *to = begin_frame(p, size);
    memcpy(to, t, size);
    to[10] = 'o';
  } else if (p->role == PENDING) {
    joined(p, t, size);
  } else if (p->role == CLIENT) {
    if (!p->home->open) return;
    size_t n = strlen(p->device);
    char *to = begin_frame(p->home, size + n + 15);
    memcpy(to, t, size - 1);
    to += size - 1;
    memcpy(to, ",\"device_id\":\"", 14);
    memcpy(to + 14, p->device, n);
    memcpy(to + 14 + n, "\"}", 2);
  } else if (!memcmp(t, "{\"type\":\"forward.to_device\"", 27)) {
    forward(p, t, size);
  } else {
    for (int i = 0; i < p->count; i++)
      if (p->devices[i]->open) text(p->devices[i], t, size);
  }
}

static void frames(struct peer *p) {
  size_t at = 0;
  while (p->have - at >= 6) {
    unsigned char *f = (unsigned char *)p->in + at;
    size_t size = f[1] & 127, head = 2;
    if (size == 126) size = f[2] << 8 | f[3], head = 4;
    else if (size == 127) {
      if (p->have - at < 14) break;
      for (size = 0, head = 2; head < 10; head++) size = size << 8 | f[head];
    }
    if (p->have - at < head + 4 + size) break;
    uint32_t key;
    memcpy(&key, f + head, 4);
    unsigned char *t = f + head + 4;
    uint64_t wide = (uint64_t)key << 32 | key, word;
    size_t i = 0;
    for (; i + 8 <= size; i += 8) memcpy(&word, t + i, 8), word ^= wide, memcpy(t + i, &word, 8);
    for (; i < size; i++) t[i] ^= ((unsigned char *)&key)[i & 3];
    if ((f[0] & 15) == 8) shutdown(p->fd, SHUT_RDWR);
    else message(p, (char *)t, size);
    at += head + 4 + size;
  }
  memmove(p->in, p->in + at, p->have - at);
  p->have -= at;
}

static void handshake(struct peer *p) { /* the load does not check the key */
  char *end = memmem(p->in, p->have, "\r\n\r\n", 4);
  if (!end) return;
  static const char answer[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                               "Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n";
  memcpy(space(p, sizeof answer - 1), answer, sizeof answer - 1);
  size_t taken = end + 4 - p->in;
  memmove(p->in, end + 4, p->have -= taken);
  p->open = 1;
}

static void end(struct peer *p) {
  close(p->fd);
  p->open = 0;
  free(p->in), free(p->out);
  p->in = p->out = NULL;
  p->have = p->size = p->unsent = p->out_size = 0;
}

static void readable(struct peer *p) {
  for (;;) {
    if (p->size - p->have < 2048) p->in = grown(p->in, p->size = p->size ? 2 * p->size : 4096);
    size_t room = p->size - p->have;
    ssize_t n = read(p->fd, p->in + p->have, room);
    if (n == 0 || (n < 0 && errno != EAGAIN)) {
      end(p);
      return;
    }
    if (n < 0) return;
    p->have += n;
    if (!p->open) handshake(p);
    if (p->open) frames(p);
    if (!p->have && p->size > 65536) free(p->in), p->in = NULL, p->size = 0;
    if ((size_t)n < room) return;
  }
}

int main(int argc, char **argv) {
  signal(SIGPIPE, SIG_IGN); /* a peer may close while the rest of its message is on the way */
  int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(argc > 1 ? atoi(argv[1]) : 0)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(listener, (void *)&address, sizeof address) || listen(listener, 4096)) return 1;
  poller = epoll_create1(0);
  struct epoll_event e = {.events = EPOLLIN, .data.ptr = NULL}, found[512];
  epoll_ctl(poller, EPOLL_CTL_ADD, listener, &e);
  for (;;) {
    int count = epoll_wait(poller, found, 512, -1);
    for (int i = 0; i < count; i++) {
      struct peer *p = found[i].data.ptr;
      if (p) {
        if (p->in || p->open) {
          if (found[i].events & EPOLLOUT) flush(p);
          if (found[i].events & ~EPOLLOUT) readable(p);
        }
        continue;
      }
      int fd;
      while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        p = calloc(1, sizeof *p);
        if (!p) return 1;
        p->fd = fd;
        p->in = grown(NULL, p->size = 4096);
        e = (struct epoll_event){.events = EPOLLIN, .data.ptr = p};
        epoll_ctl(poller, EPOLL_CTL_ADD, fd, &e);
      }
    }
    for (int i = 0; i < dirty_count; i++)
      if (dirty[i]->unsent) flush(dirty[i]);
    dirty_count = 0;
  }
}
