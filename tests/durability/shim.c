/* Lets the N-th write, sync, truncation or rename of this process fail: LD_PRELOAD. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/types.h>
#include <unistd.h>

enum { COUNT, KILL, TORN, FULL_ONCE, FULL_ONWARD, IO_ERROR };

static long armed_at = -1, seen = 0, injected = 0;
static int mode = COUNT;

void shim_arm(long at, int how) { armed_at = at; mode = how; seen = injected = 0; }
long shim_seen(void) { return seen; }
long shim_injected(void) { return injected; }

/* 0: let the call through; else the errno to fail with. `torn` is called before a torn death. */
static int fault(int fd, const void *data, size_t size, off_t offset) {
    if (armed_at < 0) return 0;
    long number = ++seen;
    if (mode == COUNT || number < armed_at) return 0;
    if (number > armed_at && mode != FULL_ONWARD) return 0;
    injected++;
    if (mode == TORN && data && size > 1) {
        ssize_t (*real)(int, const void *, size_t, off_t) = dlsym(RTLD_NEXT, "pwrite64");
        real(fd, data, size / 2, offset);
    }
    if (mode == KILL || mode == TORN) kill(getpid(), SIGKILL);
    return mode == IO_ERROR ? EIO : ENOSPC;
}

#define REAL(type, name, ...) type (*real)(__VA_ARGS__) = dlsym(RTLD_NEXT, name)
#define CHECK(fd, data, size, offset) \
    do { int e = fault(fd, data, size, offset); if (e) { errno = e; return -1; } } while (0)

ssize_t write(int fd, const void *data, size_t size) {
    REAL(ssize_t, "write", int, const void *, size_t);
    if (fd > 2) CHECK(fd, NULL, size, 0);
    return real(fd, data, size);
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) {
    REAL(ssize_t, "pwrite", int, const void *, size_t, off_t);
    CHECK(fd, data, size, offset);
    return real(fd, data, size, offset);
}
ssize_t pwrite64(int fd, const void *data, size_t size, off_t offset) {
    REAL(ssize_t, "pwrite64", int, const void *, size_t, off_t);
    CHECK(fd, data, size, offset);
    return real(fd, data, size, offset);
}
int fsync(int fd) { REAL(int, "fsync", int); CHECK(fd, NULL, 0, 0); return real(fd); }
int fdatasync(int fd) { REAL(int, "fdatasync", int); CHECK(fd, NULL, 0, 0); return real(fd); }
int ftruncate(int fd, off_t size) {
    REAL(int, "ftruncate", int, off_t); CHECK(fd, NULL, 0, 0); return real(fd, size);
}
int ftruncate64(int fd, off_t size) {
    REAL(int, "ftruncate64", int, off_t); CHECK(fd, NULL, 0, 0); return real(fd, size);
}
int rename(const char *from, const char *to) {
    REAL(int, "rename", const char *, const char *); CHECK(-1, NULL, 0, 0); return real(from, to);
}
