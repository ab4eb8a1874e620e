/* allocate MIB: when SIGUSR1 comes, asks for so much memory in pieces of all sizes, seven parts in ten in one function, which gives all of
 * it back, and three in another, which keeps it; prints how much each asked for, and waits. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#define APART __attribute__((noipa))

static unsigned random_state = 1;
static void *kept;

static unsigned next_random(void) {
    random_state = random_state * 1664525 + 1013904223;
    return random_state >> 16;
}

APART void keep(size_t bytes) {
    void **piece = malloc(bytes);
    *piece = kept;
    kept = piece;
}

/* By each function that there is. */
APART void pass(size_t bytes) {
    static int turn;
    void *piece = 0;
    switch (turn++ % 4) {
    case 0: piece = malloc(bytes); break;
    case 1: piece = calloc(bytes / 8, 8); break;
    case 2: piece = realloc(malloc(bytes - bytes / 2), bytes / 2); break;
    case 3: if (posix_memalign(&piece, 4096, bytes)) abort(); break;
    }
    memset(piece, 1, 8);
    free(piece);
}

APART void work(long total, long *in_keep, long *in_pass) {
    struct timespec rest = { 0, 1000000 };
    long next_rest = 0;
    while (*in_keep + *in_pass < total) {
        size_t bytes = (1 + next_random() % 128) * 128;
        if (next_random() % 10 < 3) {
            keep(bytes);
            *in_keep += bytes;
        } else {
            pass(bytes);
            *in_pass += bytes;
        }
        if (*in_keep + *in_pass > next_rest) {
            nanosleep(&rest, 0);
            next_rest += total / 2000;
        }
    }
}

int main(int argc, char **argv) {
    long in_keep = 0, in_pass = 0;
    sigset_t start;
    int got;
    setvbuf(stdout, 0, _IONBF, 0);
    sigemptyset(&start);
    sigaddset(&start, SIGUSR1);
    sigprocmask(SIG_BLOCK, &start, 0);
    printf("ready\n");
    sigwait(&start, &got);
    work(atol(argv[argc - 1]) << 20, &in_keep, &in_pass);
    printf("keep %ld\npass %ld\n", in_keep, in_pass);
    pause();
    return 0;
}
