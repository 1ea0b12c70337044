/* The process that holds a task's network namespace open while its containers come and go.
 *
 * It is PID 1 of the pause container, so it has two duties: reap what is orphaned to it, and leave
 * with exit code 0 when it is told to. No libc: a static glibc program would be 700 kB, this is less
 * than one, and there is nothing in it that could need an update.
 *
 * The three signals stay blocked for life and are taken one at a time. The kernel drops signals
 * without a handler that are sent to a PID 1, but never blocked ones, so no handler is needed. */

#if defined(__x86_64__)
enum { SYS_rt_sigprocmask = 14, SYS_rt_sigtimedwait = 128, SYS_wait4 = 61, SYS_exit_group = 231 };

static long call(long number, long a, long b, long c, long d) {
  register long r10 __asm__("r10") = d;
  long result;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10)
                   : "rcx", "r11", "memory");
  return result;
}
#elif defined(__aarch64__)
enum { SYS_rt_sigprocmask = 135, SYS_rt_sigtimedwait = 137, SYS_wait4 = 260, SYS_exit_group = 94 };

static long call(long number, long a, long b, long c, long d) {
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
  return x0;
}
#else
#error "the pause program knows x86-64 and arm64 only"
#endif

enum { SIGINT = 2, SIGTERM = 15, SIGCHLD = 17, SIG_BLOCK = 0, WNOHANG = 1, ANY_CHILD = -1 };
#define BIT(signal) (1UL << ((signal) - 1))

void _start(void) {
  const unsigned long signals = BIT(SIGINT) | BIT(SIGTERM) | BIT(SIGCHLD);
  call(SYS_rt_sigprocmask, SIG_BLOCK, (long)&signals, 0, sizeof signals);
  for (;;) {
    long signal = call(SYS_rt_sigtimedwait, (long)&signals, 0, 0, sizeof signals);
    if (signal == SIGTERM || signal == SIGINT) call(SYS_exit_group, 0, 0, 0, 0);
    if (signal == SIGCHLD) {
      while (call(SYS_wait4, ANY_CHILD, 0, WNOHANG, 0) > 0) {
      }
    }
  }
}
