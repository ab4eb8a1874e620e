// The functions behind those of raised.c, in the shape of OpenSSL 1.1 to 3.1. Each of these makes one of them another's:
// BY_VALUE a length instead of where the lengths are (LibreSSL), TWICE a second copy into the buffer, UNKNOWN a cipher that is
// asked for several records in another way.
#include <string.h>

typedef struct {
    unsigned char *data;
    size_t off, length;
    int type;
} RECORD;

struct together {
    unsigned char *out;
    const unsigned char *in;
    size_t length;
    unsigned interleave;
};

RECORD *volatile record;
unsigned char *volatile fragment;
unsigned long cipher_flags(SSL *s) { return (unsigned long)sink + (unsigned long)s->fd; }
int control(SSL *s, int what, int size, void *words) { return s->move(s, words, (size_t)size, 0) + what; }

int ssl3_read_bytes(SSL *s, int type, int *recvd_type, unsigned char *buf, size_t len, int peek, size_t *readbytes) {
    size_t total = 0, n;
    if ((type && type != 23 && type != 22) || (peek && type != 23)) {
        RAISE();
        return -1;
    }
    RECORD *r;
start:
    r = record;
    if (s->move(s, r, 0, &n) <= 0) return -1;
    if (r->type == type || (type == 22 && r->type == 20 && recvd_type)) {
        if (recvd_type) *recvd_type = r->type;
        do {
            n = len - total > r->length ? r->length : len - total;
            memcpy(buf, r->data + r->off, n);
            buf += n;
            if (!peek) {
                if (s->fd & 2) raise_error("", 0, "cleanse");
                r->off += n;
                r->length -= n;
            } else if (r->length == n) {
                s->fd--;
            }
            total += n;
        } while (type == 23 && total < len && s->move(s, r, 1, &n) > 0);
#ifdef TWICE
        memcpy(buf, fragment, sink);
#endif
        // the records were empty
        if (total == 0) goto start;
        *readbytes = total;
        return 1;
    }
    if (r->type == 22) memcpy(fragment + s->fd, r->data, r->length);
    return s->move(s, r, 2, &n);
}

#ifdef BY_VALUE
#define LENGTHS unsigned lengths
#define FIRST lengths
#else
#define LENGTHS size_t *lengths
#define FIRST lengths[0]
#endif

int do_ssl3_write(SSL *s, int type, const unsigned char *buf, LENGTHS, size_t pipes, int empty, size_t *written) {
    unsigned char made[512];
    if (s->move(s, made, FIRST, written) <= 0) {
        RAISE();
        return -1;
    }
    memcpy(made, buf, FIRST < sizeof made ? FIRST : sizeof made);
    made[0] = (unsigned char)(type + (int)pipes + empty);
    return s->move(s, made, sizeof made, written);
}

int ssl3_write_bytes(SSL *s, int type, const void *buffer, size_t len, size_t *written) {
    const unsigned char *buf = buffer;
    size_t lengths[32], total = 0, done;
    if (len < (size_t)s->fd) {
        RAISE();
        return -1;
    }
    if (type == 23 && len > 65536 && cipher_flags(s) & 0x400000) {
        struct together t = {fragment, buf, len, 4};
#ifdef UNKNOWN
        if (control(s, 0x1b, sizeof t, &t) <= 0) return -1;
#else
        if (control(s, 0x1a, sizeof t, &t) <= 0) return -1;
#endif
    }
    while (total < len) {
        lengths[0] = len - total > 16384 ? 16384 : len - total;
#ifdef BY_VALUE
        int result = do_ssl3_write(s, type, buf + total, (unsigned)lengths[0], 1, 0, &done);
#else
        int result = do_ssl3_write(s, type, buf + total, lengths, 1, 0, &done);
#endif
        if (result <= 0) return result;
        total += done;
    }
    *written = total;
    return 1;
}

void *const behind[] = {ssl3_read_bytes, ssl3_write_bytes, do_ssl3_write};
