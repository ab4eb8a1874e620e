/* wait nap|condition|socket|tcp|moved TIMES MS: a thread waits so often for so long, in a function of that name; prints what it waited. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#define APART __attribute__((noipa))

static volatile uint64_t sink;
static volatile int waiting = 1;
static int times, ms, pair[2], turn;
static pid_t thread;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t ready = PTHREAD_COND_INITIALIZER;
static const char *how;

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000u + t.tv_nsec;
}
static void pause_ms(int n) {
    struct timespec t = { n / 1000, n % 1000 * 1000000L };
    nanosleep(&t, 0);
}

APART void nap(void) { pause_ms(ms); sink++; }
APART void condition(int i) {
    pthread_mutex_lock(&lock);
    while (turn <= i) pthread_cond_wait(&ready, &lock);
    pthread_mutex_unlock(&lock);
}
APART void socket_read(void) { char c; sink += read(pair[0], &c, 1); }

static int sockets(void) { return !strcmp(how, "socket") || !strcmp(how, "tcp"); }

static void *waiter(void *nothing) {
    uint64_t waited = 0;
    thread = syscall(SYS_gettid);
    for (int i = 0; i < times; i++) {
        uint64_t since = now_ns();
        if (!strcmp(how, "condition")) condition(i);
        else if (sockets()) socket_read();
        else nap();
        waited += now_ns() - since;
    }
    printf("thread %d\nwaited %lu\n", thread, waited);
    waiting = 0;
    return nothing;
}

static void connect_pair(void) {
    struct sockaddr_in here = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof here;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    bind(listener, (void *)&here, len);
    listen(listener, 1);
    getsockname(listener, (void *)&here, &len);
    pair[1] = socket(AF_INET, SOCK_STREAM, 0);
    connect(pair[1], (void *)&here, len);
    pair[0] = accept(listener, 0, 0);
}

/* to the next of the processors that it may use */
static void move_on(void) {
    static int last;
    cpu_set_t allowed, one;
    sched_getaffinity(0, sizeof allowed, &allowed);
    do last = (last + 1) % CPU_SETSIZE; while (!CPU_ISSET(last, &allowed));
    CPU_ZERO(&one);
    CPU_SET(last, &one);
    sched_setaffinity(thread, sizeof one, &one);
}

int main(int argc, char **argv) {
    pthread_t t;
    how = argv[1];
    times = atoi(argv[2]);
    ms = atoi(argv[argc - 1]);
    if (strcmp(how, "tcp")) socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    else connect_pair();
    pthread_create(&t, 0, waiter, 0);
    while (!strcmp(how, "moved") && waiting) {
        pause_ms(30);
        if (thread) move_on();
    }
    for (int i = 0; i < times && (!strcmp(how, "condition") || sockets()); i++) {
        pause_ms(ms);
        pthread_mutex_lock(&lock);
        turn = i + 1;
        pthread_cond_signal(&ready);
        pthread_mutex_unlock(&lock);
        sink += write(pair[1], "x", 1);
    }
    pthread_join(t, 0);
    printf("pid %d\n", getpid());
    return 0;
}
