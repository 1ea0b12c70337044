/* Tries what a task would do to send past the IMDS block: an AF_XDP socket and memory for its frames.
   Prints the step that was refused and the errno, or "sends". */
#include <errno.h>
#include <linux/if_xdp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>

#ifndef SOL_XDP
#define SOL_XDP 283
#endif

int main(void) {
  int fd = socket(AF_XDP, SOCK_RAW, 0);
  if (fd < 0) return printf("socket %d\n", errno), 0;
  size_t size = 16 * 4096;
  void *area = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  struct xdp_umem_reg umem = {.addr = (__u64)(unsigned long)area, .len = size, .chunk_size = 4096};
  if (setsockopt(fd, SOL_XDP, XDP_UMEM_REG, &umem, sizeof umem) < 0)
    return printf("memory %d\n", errno), 0;
  printf("sends\n");
  return 0;
}
