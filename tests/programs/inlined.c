/* inlined SECONDS: burns CPU in outer → middle → spin, of which the compiler leaves outer alone as a function. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static volatile uint64_t sink;

static inline __attribute__((always_inline)) uint64_t spin(uint64_t n) {
    uint64_t v = n;
    for (; n; n--) v = v * 6364136223846793005u + n;
    return v;
}
static inline __attribute__((always_inline)) void middle(uint64_t n) { sink += spin(n); }
__attribute__((noipa)) void outer(uint64_t n) { middle(n); }

static uint64_t cpu_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec * 1000000000u + t.tv_nsec;
}

int main(int argc, char **argv) {
    uint64_t end = atof(argv[1]) * 1e9;
    while (cpu_ns() < end) outer(1000000);
    printf("pid %d\ncpu %lu\n", getpid(), cpu_ns());
    return 0;
}
