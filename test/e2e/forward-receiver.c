/* A log router that says what it receives, for tests: "unix <hex>" or "tcp <hex>" for each piece that
   comes by the socket or by 127.0.0.1:24224, and its configuration first. Static, so that it needs
   nothing else in its image. */

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { MAX = 64 };

static void say(const char *what, const unsigned char *bytes, ssize_t count) {
  printf("%s ", what);
  for (ssize_t i = 0; i < count; i++) printf("%02x", bytes[i]);
  printf("\n");
  fflush(stdout);
}

int main(int argc, char **argv) {
  static unsigned char bytes[16384];
  FILE *file = fopen(argc > 1 ? argv[1] : "", "r");
  if (file != NULL) say("config", bytes, (ssize_t)fread(bytes, 1, sizeof bytes, file));

  struct sockaddr_un path = {.sun_family = AF_UNIX, .sun_path = "/var/run/fluent.sock"};
  struct sockaddr_in port = {.sin_family = AF_INET, .sin_port = htons(24224)};
  port.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  struct pollfd all[MAX] = {{.events = POLLIN}, {.events = POLLIN}};
  const char *names[MAX];
  nfds_t count = 2;
  all[0].fd = socket(AF_UNIX, SOCK_STREAM, 0);
  all[1].fd = socket(AF_INET, SOCK_STREAM, 0);
  unlink(path.sun_path);
  if (bind(all[0].fd, (struct sockaddr *)&path, sizeof path) != 0 || listen(all[0].fd, 8) != 0 ||
      bind(all[1].fd, (struct sockaddr *)&port, sizeof port) != 0 || listen(all[1].fd, 8) != 0) {
    perror("listen");
    return 1;
  }
  for (;;) {
    poll(all, count, -1);
    for (nfds_t i = 2; i < count; i++) {
      if (all[i].revents == 0) continue;
      ssize_t got = read(all[i].fd, bytes, sizeof bytes);
      if (got > 0) say(names[i], bytes, got);
      else close(all[i].fd), all[i].fd = -1;
    }
    for (int i = 0; i < 2; i++) {
      if ((all[i].revents & POLLIN) == 0 || count == MAX) continue;
      names[count] = i == 0 ? "unix" : "tcp";
      all[count++] = (struct pollfd){.fd = accept(all[i].fd, NULL, NULL), .events = POLLIN};
    }
  }
}
