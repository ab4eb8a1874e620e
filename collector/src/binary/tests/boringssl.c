// A library of BoringSSL's shape inside a program: with its symbols or without, it is to be found at the same places. APART: what
// reads calls what peeks, as where the compiler puts neither into the other. DOUBLE: there are two that could write.
#include <stddef.h>
#include <string.h>

asm(".text\n.space 600000, 0x90");

#define NOINLINE __attribute__((noinline, noclone))

typedef struct ssl SSL;
struct ssl {
    int (*move)(SSL *, const void *, int);
    int (*handshake)(SSL *);
    const char *pending;
    size_t pending_size;
    void *quic;
};

volatile int sink;

NOINLINE void ERR_put_error(int library, int unused, int reason, const char *file, unsigned line) {
    sink += library + unused + reason + file[0] + (int)line;
}
#define RAISE(reason) ERR_put_error(16, 0, reason, "/src/boringssl/ssl/ssl_lib.cc", __LINE__)

NOINLINE int SSL_do_handshake(SSL *s) {
    if (!s->handshake) {
        RAISE(134);
        return -1;
    }
    return s->handshake(s) + sink;
}

NOINLINE int SSL_connect(SSL *s) {
    if (!s->handshake) {
        RAISE(134);
        return -2;
    }
    return s->handshake(s) - sink;
}

static NOINLINE int ssl_read_impl(SSL *s) {
    if (!s->handshake) {
        RAISE(226);
        return -1;
    }
    while (!s->pending_size) {
        int shaken = SSL_do_handshake(s);
        if (shaken < 0) return shaken;
        if (!shaken) {
            RAISE(215);
            return -1;
        }
        sink++;
    }
    return 1;
}

#ifdef APART
NOINLINE
#else
static inline __attribute__((always_inline))
#endif
int peek(SSL *s, void *to, int n) {
    if (s->quic) {
        RAISE(66);
        return -1;
    }
    int result = ssl_read_impl(s);
    if (result <= 0) return result;
    if (n <= 0) return n;
    size_t all = s->pending_size < (size_t)n ? s->pending_size : (size_t)n;
    if (all) memcpy(to, s->pending, all);
    return (int)all;
}

#ifndef APART
NOINLINE int SSL_peek(SSL *s, void *to, int n) { return peek(s, to, n); }
#endif

NOINLINE int SSL_read(SSL *s, void *to, int n) {
    int result = peek(s, to, n);
    if (result <= 0) return result;
    s->pending += result;
    s->pending_size -= (size_t)result;
    return result;
}

#define WRITER(name)                         \
    NOINLINE int name(SSL *s, const void *from, int n) { \
        if (s->quic) {                       \
            RAISE(66);                       \
            return -1;                       \
        }                                    \
        if (!s->handshake) {                 \
            RAISE(226);                      \
            return -1;                       \
        }                                    \
        int shaken = SSL_do_handshake(s);    \
        if (shaken < 0) return shaken;       \
        if (!shaken) {                       \
            RAISE(215);                      \
            return -1;                       \
        }                                    \
        if (n < 0) {                         \
            RAISE(111);                      \
            return -1;                       \
        }                                    \
        return s->move(s, from, n) + sink;   \
    }
WRITER(SSL_write)
#ifdef DOUBLE
WRITER(SSL_write_again)
#endif

int SSL_shutdown(SSL *s) {
    if (!s->handshake) {
        RAISE(226);
        return -1;
    }
    while (ssl_read_impl(s) > 0) s->pending_size = 0;
    return s->move(s, "", 0);
}

void *const all[] = {SSL_read, SSL_write, SSL_do_handshake, SSL_connect, SSL_shutdown,
#ifdef DOUBLE
    SSL_write_again,
#endif
#ifdef APART
    peek,
#else
    SSL_peek,
#endif
};

int main(int count, char **words) { return sink + ((int (*)(void *, void *, int))all[count])(words, words, count); }
