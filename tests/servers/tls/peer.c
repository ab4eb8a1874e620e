#define _GNU_SOURCE
// HTTPS by OpenSSL in C, for the tests: linked statically and stripped, so that nothing names its functions.
//
//     serve PORT CERT KEY              HTTP/1.1, one connection after the other
//     client URL CA COUNT PAUSE_MS     requests on one connection; what was asked and answered is a line each:
//                                      METHOD PATH STATUS SENT RECEIVED, separated by tabs
#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { MESSAGE_BYTES_MAX = 16384 };

static void must(int good) {
    if (!good) {
        ERR_print_errors_fp(stderr);
        perror("peer");
        exit(1);
    }
}

// A whole message with its body; 0 when the other end is done.
static int message(SSL *ssl, char *into, char **body) {
    int have = 0;
    for (;;) {
        into[have] = 0;
        char *end = strstr(into, "\r\n\r\n");
        if (end) {
            char *length = strcasestr(into, "content-length: ");
            *body = end + 4;
            if (have >= (end + 4 - into) + (length && length < end ? atoi(length + 16) : 0)) return 1;
        }
        int n = SSL_read(ssl, into + have, MESSAGE_BYTES_MAX - have);
        if (n <= 0) return 0;
        have += n;
    }
}

static struct sockaddr_in at(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    return address;
}

static void answer(SSL *ssl) {
    char asked[MESSAGE_BYTES_MAX + 1], said[MESSAGE_BYTES_MAX * 2], path[1024], *body;
    while (message(ssl, asked, &body)) {
        must(sscanf(asked, "%*s %1023s", path) == 1);
        char *status = strstr(path, "status="), made[1100];
        if (!*body) {
            snprintf(made, sizeof made, "answer to %s", path);
            body = made;
        }
        int n = snprintf(said, sizeof said, "HTTP/1.1 %d Said\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n\r\n%s",
                         status ? atoi(status + 7) : 200, strlen(body), body);
        must(SSL_write(ssl, said, n) == n);
    }
}

static void serve(int port, const char *cert, const char *key) {
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    must(SSL_CTX_use_certificate_chain_file(context, cert) == 1);
    must(SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) == 1);
    int listener = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
    struct sockaddr_in address = at(port);
    must(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0);
    must(bind(listener, (struct sockaddr *)&address, sizeof address) == 0 && listen(listener, 16) == 0);
    puts("listening");
    fflush(stdout);
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        must(fd >= 0);
        SSL *ssl = SSL_new(context);
        SSL_set_fd(ssl, fd);
        if (SSL_accept(ssl) == 1) {
            answer(ssl);
            SSL_shutdown(ssl);
        }
        SSL_free(ssl);
        close(fd);
    }
}

static void client(const char *url, const char *ca, int count, int pause_ms) {
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    must(SSL_CTX_load_verify_locations(context, ca, NULL) == 1);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    struct sockaddr_in address = at(atoi(strrchr(url, ':') + 1));
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    must(connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
    SSL *ssl = SSL_new(context);
    SSL_set_fd(ssl, fd);
    SSL_set_tlsext_host_name(ssl, "localhost");
    must(SSL_set1_host(ssl, "localhost") == 1 && SSL_connect(ssl) == 1);
    for (int i = 0; i < count; i++) {
        char asked[256], said[MESSAGE_BYTES_MAX + 1], sent[32] = "", length[64] = "", path[64], *body;
        const char *method = i % 4 == 3 ? "POST" : "GET";
        if (i % 4 == 3) {
            snprintf(sent, sizeof sent, "sent %d", i);
            snprintf(length, sizeof length, "Content-Length: %zu\r\n", strlen(sent));
        }
        snprintf(path, sizeof path, "/%d?status=%d", i, (int[]){200, 404, 500}[i % 3]);
        int n = snprintf(asked, sizeof asked, "%s %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n%s", method, path, length, sent);
        must(SSL_write(ssl, asked, n) == n && message(ssl, said, &body));
        printf("%s\t%s\t%d\t%s\t%s\n", method, path, atoi(said + 9), sent, body);
        fflush(stdout);
        usleep(pause_ms * 1000);
    }
    SSL_shutdown(ssl);
}

int main(int count, char **a) {
    if (count == 5 && !strcmp(a[1], "serve")) serve(atoi(a[2]), a[3], a[4]);
    if (count == 6 && !strcmp(a[1], "client")) client(a[2], a[3], atoi(a[4]), atoi(a[5]));
    return count == 6 ? 0 : 2;
}
