/* shapes deep|signal|threads SECONDS: CPU burnt in shapes that burn.c has not.
 * shapes storm PROCESSES MS: processes one after the other, each of which burns for MS. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#define APART __attribute__((noipa))
#define DEPTH 250

static volatile uint64_t sink;

static uint64_t now_ns(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec * 1000000000u + t.tv_nsec;
}

APART uint64_t spin(uint64_t n) {
    uint64_t v = n;
    for (; n; n--) v = v * 6364136223846793005u + n;
    return v;
}
APART void burn(uint64_t ns) {
    uint64_t end = now_ns(CLOCK_THREAD_CPUTIME_ID) + ns;
    while (now_ns(CLOCK_THREAD_CPUTIME_ID) < end) sink += spin(50000);
}

APART void down(int depth, uint64_t ns) {
    if (depth > 1) down(depth - 1, ns); else burn(ns);
    sink++;
}

static volatile uint64_t handled;
/* comes in the middle of spin, and takes as long as what it interrupts; less when the processor is shared, as its timer is late then */
static void handler(int number) { burn(5000000); handled += 5000000; sink += number; }
APART void interrupted(uint64_t ns) {
    struct itimerspec each = { { 0, 10000000 }, { 0, 10000000 } };
    timer_t timer;
    signal(SIGALRM, handler);
    timer_create(CLOCK_THREAD_CPUTIME_ID, NULL, &timer);
    timer_settime(timer, 0, &each, NULL);
    burn(ns);
    timer_delete(timer);
    sink++;
}

APART void first(uint64_t ns) { burn(ns / 10 * 7); sink++; }
APART void second(uint64_t ns) { burn(ns / 10 * 3); sink++; }
static void *run_first(void *ns) { pthread_setname_np(pthread_self(), "the-first"); first(*(uint64_t *)ns); return 0; }
static void *run_second(void *ns) { pthread_setname_np(pthread_self(), "the-second"); second(*(uint64_t *)ns); return 0; }
static void threads(uint64_t ns) {
    pthread_t a, b;
    pthread_create(&a, 0, run_first, &ns);
    pthread_create(&b, 0, run_second, &ns);
    pthread_join(a, 0);
    pthread_join(b, 0);
}

static void storm(char *self, int processes, char *ms) {
    for (int i = 0; i < processes; i++) {
        pid_t child = fork();
        if (child == 0) {
            if (i % 2) execl(self, self, "child", ms, NULL);
            burn(atof(ms) * 1e6);
            _exit(0);
        }
        waitpid(child, 0, 0);
    }
}

/* of this process and of those that it waited for */
static uint64_t cpu_ns(void) {
    struct rusage all;
    getrusage(RUSAGE_CHILDREN, &all);
    return now_ns(CLOCK_PROCESS_CPUTIME_ID) + (all.ru_utime.tv_sec + all.ru_stime.tv_sec) * 1000000000u
        + (all.ru_utime.tv_usec + all.ru_stime.tv_usec) * 1000u;
}

int main(int argc, char **argv) {
    uint64_t ns = atof(argv[argc - 1]) * 1e9;
    if (!strcmp(argv[1], "child")) { burn(ns / 1000); return 0; }
    if (!strcmp(argv[1], "deep")) down(DEPTH, ns);
    if (!strcmp(argv[1], "signal")) interrupted(ns);
    if (!strcmp(argv[1], "threads")) threads(ns);
    if (!strcmp(argv[1], "storm")) storm(argv[0], atoi(argv[2]), argv[3]);
    printf("pid %d\ncpu %lu\nhandled %lu\n", getpid(), cpu_ns(), handled);
    return 0;
}
