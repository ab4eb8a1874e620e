// Asks and answers itself over TCP, again and again: how long an exchange of Redis takes, of which the kernel is nearly all.
//
//     exchanges BATCHES
//
// Prints the nanoseconds of an exchange (four transfers) in the fastest batch and in the middle one.

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EXCHANGES = 4000, BATCHES_MAX = 10000 };

static const char ASKED[] = "*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n";
static const char ANSWERED[] =
    "$100\r\n0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789\r\n";

static void failed(const char *what) {
    perror(what);
    exit(1);
}

static void say(int from, int to, const char *text, size_t len) {
    static char heard[1024];
    if (write(from, text, len) != (ssize_t)len || read(to, heard, sizeof heard) != (ssize_t)len) failed("exchange");
}

static double now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1e9 + now.tv_nsec;
}

static int compare(const void *a, const void *b) {
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

int main(int argc, char **argv) {
    int batches = argc > 1 ? atoi(argv[1]) : 0;
    if (batches < 1 || batches > BATCHES_MAX) {
        fprintf(stderr, "usage: exchanges BATCHES (1 to %d)\n", BATCHES_MAX);
        return 2;
    }
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int listening = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listening, (void *)&address, len) || listen(listening, 1) || getsockname(listening, (void *)&address, &len)
        || connect(client, (void *)&address, len))
        failed("connect");
    int server = accept(listening, NULL, NULL), yes = 1;
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    static double took[BATCHES_MAX];
    for (int batch = 0; batch < batches; batch++) {
        double begun = now_ns();
        for (int i = 0; i < EXCHANGES; i++) {
            say(client, server, ASKED, sizeof ASKED - 1);
            say(server, client, ANSWERED, sizeof ANSWERED - 1);
        }
        took[batch] = (now_ns() - begun) / EXCHANGES;
    }
    qsort(took, batches, sizeof took[0], compare);
    printf("%.0f %.0f\n", took[0], took[batches / 2]);
    return 0;
}
