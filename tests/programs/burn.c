/* burn SECONDS: burns CPU in main → alpha → inner → spin for 7 parts and in main → beta → spin for 3.
 * With -DLIBRARY the branches alone; with -DHOST the main that loads them from the library named second. */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#define APART __attribute__((noipa))

#ifndef HOST
static volatile uint64_t sink;
APART uint64_t spin(uint64_t n) {
    uint64_t v = n;
    for (; n; n--) v = v * 6364136223846793005u + n;
    return v;
}
/* what follows each call keeps it from becoming a jump */
APART void inner(uint64_t n) { sink += spin(n); }
APART void alpha(uint64_t n) { inner(n); sink++; }
APART void beta(uint64_t n) { sink += spin(n); }
#endif

#ifndef LIBRARY
static uint64_t cpu_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec * 1000000000u + t.tv_nsec;
}

int main(int argc, char **argv) {
    uint64_t end = atof(argv[1]) * 1e9;
    uint32_t r = 1;
#ifdef HOST
    void *library = dlopen(argv[argc - 1], RTLD_NOW);
    if (!library) return puts(dlerror());
    void (*alpha)(uint64_t) = (void (*)(uint64_t))dlsym(library, "alpha");
    void (*beta)(uint64_t) = (void (*)(uint64_t))dlsym(library, "beta");
#endif
    long turns = 0;
    for (; cpu_ns() < end; turns++) {
        r = r * 1103515245 + 12345; /* turns of uneven length, so that no sampling period fits them */
        uint64_t part = 40000 + (r >> 8) % 160000;
        alpha(7 * part);
        beta(3 * part);
    }
    printf("pid %d\ncpu %lu\nturns %ld\n", getpid(), cpu_ns(), turns);
    return 0;
}
#endif
