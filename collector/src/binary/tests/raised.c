// A library of OpenSSL's shape inside a program: with its symbols or without, it is to be found at the same places. NAMELESS: its
// errors do not say where they come from, as before OpenSSL 3.
#include <stddef.h>

asm(".text\n.space 600000, 0x90");

typedef struct ssl {
    int (*move)(struct ssl *, void *, size_t, size_t *);
    int fd;
} SSL;

volatile int sink;
#ifdef NAMELESS
const char version[] = "\0OpenSSL 1.1.99 1 Jan 2020";
#define NAME version
#else
const char version[] = "\0OpenSSL 3.0.99 1 Jan 2030";
#define NAME __func__
#endif

void raise_error(const char *file, int line, const char *name) { sink += file[0] + line + name[0]; }
#define RAISE() raise_error("../ssl/ssl_lib.c", __LINE__, NAME)

#define FORMS(plain, ex, behind)                              \
    int behind(SSL *s, void *b, size_t n, size_t *done) {     \
        if (!s->move) {                                       \
            RAISE();                                          \
            return -1;                                        \
        }                                                     \
        return s->move(s, b, n, done) + sink;                 \
    }                                                         \
    int plain(SSL *s, void *b, int n) {                       \
        size_t done;                                          \
        if (n < 0) {                                          \
            RAISE();                                          \
            return -1;                                        \
        }                                                     \
        int result = behind(s, b, (size_t)n, &done);          \
        return result > 0 ? (int)done : result;               \
    }                                                         \
    int ex(SSL *s, void *b, size_t n, size_t *done) {         \
        int result = behind(s, b, n, done);                   \
        return result < 0 ? 0 : result;                       \
    }

FORMS(SSL_read, SSL_read_ex, ssl_read_internal)
FORMS(SSL_write, SSL_write_ex, ssl_write_internal)

int SSL_do_handshake(SSL *s) {
    if (!s->move) {
        RAISE();
        return -1;
    }
    return s->move(s, 0, 0, 0) + sink;
}

int SSL_set_fd(SSL *s, int fd) {
    if (fd < 0) {
        RAISE();
        return 0;
    }
    s->fd = fd;
    return 1;
}

// says the name of one of the functions, and is none of them
void tell(void) { raise_error("main.c", 1, "SSL_read"); }

void *const all[] = {SSL_read, SSL_read_ex, SSL_write, SSL_write_ex, SSL_do_handshake, SSL_set_fd, tell};

int main(int count, char **words) { return sink + ((int (*)(void *))all[count])(words) + version[count]; }
