// burn SECONDS: as burn.c, by the functions of a template in a namespace.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <unistd.h>
#define APART __attribute__((noipa))

static volatile uint64_t sink;

namespace outer {
template <typename T> struct Box {
    APART T spin(T n) {
        T v = n;
        for (; n; n--) v = v * 6364136223846793005u + n;
        return v;
    }
    APART void inner(T n) { sink = sink + spin(n); }
    APART void alpha(T n) { inner(n); sink = sink + 1; }
    APART void beta(T n) { sink = sink + spin(n); }
};
}

static uint64_t cpu_ns() {
    timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec * 1000000000u + t.tv_nsec;
}

int main(int, char **argv) {
    uint64_t end = atof(argv[1]) * 1e9;
    uint32_t r = 1;
    outer::Box<unsigned long> box;
    while (cpu_ns() < end) {
        r = r * 1103515245 + 12345;
        uint64_t part = 40000 + (r >> 8) % 160000;
        box.alpha(7 * part);
        box.beta(3 * part);
    }
    printf("pid %d\ncpu %lu\n", getpid(), cpu_ns());
}
