#define _GNU_SOURCE
// What programs seldom do with OpenSSL, for the tests: each case is a server and its clients in this program.
//
//     odd CERT KEY CASE...     what was asked and answered is a line each:
//                              PATH STATUS BODY_BYTES CLIENT_PORT PID THREAD, the last two of who read the request
#include <arpa/inet.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MESSAGE_BYTES_MAX = 4096, LONG_BYTES = 200 << 10, SMALL_BUFFER_BYTES = 4096 };

static const char *cert, *key, *name;
static int listener;
static struct sockaddr_in address = {.sin_family = AF_INET};
static SSL_SESSION *kept;

static void must(int good) {
    if (!good) {
        fprintf(stderr, "in the case %s\n", name);
        ERR_print_errors_fp(stderr);
        perror("odd");
        exit(1);
    }
}

static SSL_CTX *context(const SSL_METHOD *method) {
    SSL_CTX *c = SSL_CTX_new(method);
    must(SSL_CTX_use_certificate_chain_file(c, cert) == 1 && SSL_CTX_use_PrivateKey_file(c, key, SSL_FILETYPE_PEM) == 1);
    SSL_CTX_set_options(c, SSL_OP_ALLOW_CLIENT_RENEGOTIATION);
    if (!strcmp(name, "renegotiation")) SSL_CTX_set_max_proto_version(c, TLS1_2_VERSION);
    if (!strcmp(name, "together")) {
        SSL_CTX_set_max_proto_version(c, TLS1_2_VERSION);
        SSL_CTX_set_options(c, SSL_OP_NO_ENCRYPT_THEN_MAC);
        must(SSL_CTX_set_cipher_list(c, "ECDHE-RSA-AES128-SHA:ECDHE-ECDSA-AES128-SHA"));
    }
    if (!strcmp(name, "early")) SSL_CTX_set_max_early_data(c, 16384);
    if (!strcmp(name, "partial")) SSL_CTX_set_mode(c, SSL_MODE_ENABLE_PARTIAL_WRITE);
    return c;
}

// ---- clients

static SSL *dial(SSL_CTX *c, int *fd, int *port) {
    struct sockaddr_in own;
    socklen_t size = sizeof own;
    *fd = socket(AF_INET, SOCK_STREAM, 0);
    must(connect(*fd, (struct sockaddr *)&address, sizeof address) == 0);
    must(getsockname(*fd, (struct sockaddr *)&own, &size) == 0);
    *port = ntohs(own.sin_port);
    SSL *ssl = SSL_new(c);
    must(SSL_set_fd(ssl, *fd) == 1);
    return ssl;
}

static int request(char *into, int port, int n) {
    return sprintf(into, "GET /%s/%d?port=%d HTTP/1.1\r\nHost: odd\r\n\r\n", name, n, port);
}

// Reads a response to its end.
static void hear(SSL *ssl) {
    char into[MESSAGE_BYTES_MAX + 1], *end = NULL;
    int have = 0;
    while (!end) {
        int n = SSL_read(ssl, into + have, MESSAGE_BYTES_MAX - have);
        must(n > 0);
        into[have += n] = 0;
        end = strstr(into, "\r\n\r\n");
    }
    long left = atol(strstr(into, "Length: ") + 8) - (have - (end + 4 - into));
    while (left > 0) {
        int n = SSL_read(ssl, into, MESSAGE_BYTES_MAX);
        must(n > 0);
        left -= n;
    }
}

static void ask(SSL *ssl, int port, int n) {
    char said[256];
    int bytes = request(said, port, n);
    must(SSL_write(ssl, said, bytes) == bytes);
    if (!strcmp(name, "shutdown")) must(SSL_shutdown(ssl) == 0);
    hear(ssl);
}

static void between(SSL *ssl) {
    if (!strcmp(name, "key-update")) must(SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED) == 1);
    if (!strcmp(name, "renegotiation")) must(SSL_renegotiate(ssl) == 1 && SSL_do_handshake(ssl) == 1);
}

static void *clients(void *connections) {
    SSL_CTX *c = context(TLS_client_method());
    for (int i = 0; i < *(int *)connections; i++) {
        int fd, port;
        SSL *ssl = dial(c, &fd, &port);
        if (kept) {
            char said[256];
            size_t written = 0, bytes = (size_t)request(said, port, 9);
            must(SSL_set_session(ssl, kept) == 1);
            must(SSL_write_early_data(ssl, said, bytes, &written) == 1 && written == bytes);
        }
        must(SSL_connect(ssl) == 1);
        if (kept) hear(ssl);
        for (int n = 0; n < (strcmp(name, "shutdown") ? 2 : 1); n++) {
            ask(ssl, port, n);
            between(ssl);
        }
        if (!strcmp(name, "early")) kept = SSL_get1_session(ssl);
        SSL_shutdown(ssl);
        SSL_free(ssl);
        close(fd);
    }
    SSL_CTX_free(c);
    return NULL;
}

// ---- servers

typedef struct {
    SSL *ssl;
    char asked[MESSAGE_BYTES_MAX + 1];
    int bytes, port;
} Talk;

static void ready(SSL *ssl, short events) {
    struct pollfd one = {.fd = SSL_get_fd(ssl), .events = events};
    must(poll(&one, 1, 10000) == 1);
}

// All of it, in as many calls as it takes.
static void say(SSL *ssl, const char *from, long bytes) {
    size_t done = 0;
    while (bytes > 0) {
        int n = -1;
        if (strcmp(name, "ex")) {
            n = SSL_write(ssl, from, (int)bytes);
        } else if (SSL_write_ex(ssl, from, (size_t)bytes, &done) == 1) {
            n = (int)done;
        }
        if (n <= 0) {
            must(SSL_get_error(ssl, n) == SSL_ERROR_WANT_WRITE);
            ready(ssl, POLLOUT);
            continue;
        }
        from += n;
        bytes -= n;
    }
}

static int get(SSL *ssl, char *into, int most) {
    size_t done = 0;
    if (!strcmp(name, "peek")) {
        char seen[64];
        for (int i = 0; i < 3; i++) SSL_peek(ssl, seen, sizeof seen);
    }
    if (!strcmp(name, "ex")) return SSL_read_ex(ssl, into, (size_t)most, &done) == 1 ? (int)done : 0;
    for (;;) {
        int n = SSL_read(ssl, into, strcmp(name, "bytes") ? most : 1);
        if (n > 0 || SSL_get_error(ssl, n) != SSL_ERROR_WANT_READ) return n;
        ready(ssl, POLLIN);
    }
}

// 0 when the client is done.
static int hears(Talk *t) {
    t->bytes = 0;
    do {
        int n = get(t->ssl, t->asked + t->bytes, MESSAGE_BYTES_MAX - t->bytes);
        if (n <= 0) return 0;
        t->asked[t->bytes += n] = 0;
    } while (!strstr(t->asked, "\r\n\r\n"));
    return 1;
}

// Of an answer's body.
static long length(const char *path) {
    return strcmp(name, "partial") && strcmp(name, "together") ? (long)strlen(path) : LONG_BYTES;
}

static void tells(Talk *t) {
    char path[256] = "", head[128];
    must(sscanf(t->asked, "%*s %255s", path) == 1);
    long bytes = length(path);
    char *all = malloc((size_t)bytes + sizeof head);
    int n = sprintf(all, "HTTP/1.1 200 Said\r\nContent-Length: %ld\r\n\r\n", bytes);
    memset(all + n, 'x', (size_t)bytes);
    say(t->ssl, all, n + bytes);
    free(all);
}

static void report(Talk *t) {
    char path[256] = "";
    must(sscanf(t->asked, "%*s %255s", path) == 1);
    printf("%s\t200\t%ld\t%s\t%d\t%d\n", path, length(path), strstr(path, "=") + 1, getpid(), gettid());
    fflush(stdout);
}

static void *tells_apart(void *t) {
    tells(t);
    return NULL;
}

static void talk(SSL *ssl) {
    Talk t = {.ssl = ssl};
    while (hears(&t)) {
        report(&t);
        if (!strcmp(name, "threads")) {
            pthread_t other;
            must(pthread_create(&other, NULL, tells_apart, &t) == 0 && pthread_join(other, NULL) == 0);
        } else if (!strcmp(name, "shutdown")) {
            char none[1];
            must(SSL_read(ssl, none, 1) == 0 && SSL_get_error(ssl, 0) == SSL_ERROR_ZERO_RETURN);
            tells(&t);
            return;
        } else {
            tells(&t);
        }
    }
}

// What came before the handshake was over, and its answer.
static void early(SSL *ssl) {
    Talk t = {.ssl = ssl};
    size_t n = 0;
    int got;
    while ((got = SSL_read_early_data(ssl, t.asked, MESSAGE_BYTES_MAX, &n)) == SSL_READ_EARLY_DATA_SUCCESS) {
        t.asked[n] = 0;
        report(&t);
    }
    must(got == SSL_READ_EARLY_DATA_FINISH && SSL_accept(ssl) == 1);
    if (t.asked[0]) tells(&t);
}

static void shake(SSL *ssl) {
    if (!strcmp(name, "early")) {
        early(ssl);
        return;
    }
    must(SSL_accept(ssl) == 1);
}

// The object's place is used again, by a library's object or by the object itself, while the old connection is open.
static void again(SSL_CTX *c, int connections) {
    int old = -1;
    SSL *ssl = SSL_new(c), *before = ssl;
    for (int i = 0; i < connections; i++) {
        int fd = accept(listener, NULL, NULL);
        must(fd >= 0);
        if (!strcmp(name, "clear")) {
            must(SSL_clear(ssl) == 1 && SSL_set_fd(ssl, fd) == 1);
        } else {
            SSL_free(ssl);
            ssl = SSL_new(c);
            if (ssl != before) fprintf(stderr, "another address\n");
            BIO *b = BIO_new_socket(fd, BIO_NOCLOSE);
            SSL_set_bio(ssl, b, b);
        }
        must(SSL_accept(ssl) == 1);
        talk(ssl);
        if (old >= 0) close(old);
        old = fd;
    }
    SSL_free(ssl);
    close(old);
}

static void serve(SSL_CTX *c, int connections) {
    int small = SMALL_BUFFER_BYTES;
    for (int i = 0; i < connections; i++) {
        int fd = accept(listener, NULL, NULL);
        must(fd >= 0);
        // else the kernel would take all of a long answer at once
        if (!strcmp(name, "partial")) must(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small) == 0);
        SSL *ssl = SSL_new(c);
        must(SSL_set_fd(ssl, fd) == 1);
        shake(ssl);
        if (!strcmp(name, "partial")) must(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
        pid_t child = strcmp(name, "fork") ? 0 : fork();
        must(child >= 0);
        if (child == 0) {
            talk(ssl);
            SSL_shutdown(ssl);
            if (!strcmp(name, "fork")) _exit(0);
        } else {
            must(waitpid(child, NULL, 0) == child);
            SSL_set_quiet_shutdown(ssl, 1);
        }
        SSL_free(ssl);
        close(fd);
    }
}

int main(int count, char **a) {
    if (count < 4) return 2;
    (cert = a[1], key = a[2]);
    socklen_t size = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listener = socket(AF_INET, SOCK_STREAM, 0);
    must(bind(listener, (struct sockaddr *)&address, sizeof address) == 0 && listen(listener, 16) == 0);
    must(getsockname(listener, (struct sockaddr *)&address, &size) == 0);
    for (int i = 3; i < count; i++) {
        name = a[i];
        int connections = 3;
        pthread_t thread;
        SSL_CTX *c = context(TLS_server_method());
        must(pthread_create(&thread, NULL, clients, &connections) == 0);
        if (!strcmp(name, "clear") || !strcmp(name, "reuse")) {
            again(c, connections);
        } else {
            serve(c, connections);
        }
        must(pthread_join(thread, NULL) == 0);
        SSL_CTX_free(c);
        if (kept) SSL_SESSION_free(kept);
        kept = NULL;
    }
    return 0;
}
