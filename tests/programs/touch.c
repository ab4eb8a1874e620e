/* touch MIB: touches so much new memory, seven pages in ten in one function and three in another, in no order, for some seconds. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#define APART __attribute__((noipa))
#define PAGE 4096

APART void much(char *page) { *page = 1; }
APART void little(char *page) { *page = 1; }

APART void touch(char *memory, long pages) {
    struct timespec pause = { 0, 10000000 };
    unsigned random = 1;
    for (long i = 0; i < pages; i++) {
        random = random * 1664525 + 1013904223;
        if ((random >> 16) % 10 < 7) much(memory + i * PAGE);
        else little(memory + i * PAGE);
        if (i % 50 == 0) nanosleep(&pause, 0);
    }
}

int main(int argc, char **argv) {
    long pages = atol(argv[argc - 1]) * 256;
    char *memory = mmap(0, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    madvise(memory, pages * PAGE, MADV_NOHUGEPAGE);
    touch(memory, pages);
    printf("pid %d\nbytes %ld\n", getpid(), pages * PAGE);
    return 0;
}
