/* Stands between a process and the C library: the n-th call that touches a folder fails, is cut short, or is the last.
 *
 * Preloaded (LD_PRELOAD) and armed by `fault_arm`; what Python and LMDB do alike goes through here. Descriptors are
 * followed from their opening on; a call counts when its path, folder or descriptor lies below the folder, in which the process is.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { OFF, COUNT, KILL, FAIL, SHORT };
enum { OPEN = 1, READ = 2, WRITE = 4, SYNC = 8, NAME = 16, REMOVE = 32, META = 64, CLOSE = 128 };
#define FDS 4096

static char folder[4096];
static size_t folder_length;
static int mode, error_number, families, lasting;
static long at, seen, fired;
static int fired_family;
static char followed[FDS];

void fault_arm(const char *path, int how, long n, int number, int which, int lasts) {
    snprintf(folder, sizeof folder, "%s", path);
    folder_length = strlen(folder);
    mode = how, at = n, error_number = number, families = which, lasting = lasts;
    seen = fired = fired_family = 0;
}

void fault_disarm(void) { mode = OFF; }
long fault_seen(void) { return seen; }
long fault_fired(void) { return fired; }
int fault_family(void) { return fired_family; }

static int is_followed(int fd) { return fd >= 0 && fd < FDS && followed[fd]; }

static int is_below(int dirfd, const char *path) {
    if (mode == OFF) return 0;
    if (!strncmp(path, "/proc/self/fd/", 14)) return is_followed(atoi(path + 14));
    if (path[0] == '/') return !strncmp(path, folder, folder_length - 1);
    return dirfd == AT_FDCWD || is_followed(dirfd);  /* the process is in the folder */
}

/* Whether the fault is now: 0 no, 1 fail, 2 cut short. Does not return from a kill. */
static int now(int family) {
    if (mode == OFF || !(families & family)) return 0;
    long n = __atomic_add_fetch(&seen, 1, __ATOMIC_SEQ_CST);
    if (mode == COUNT || (lasting ? n < at : n != at)) return 0;
    if (!fired) fired = n, fired_family = family;
    if (mode == KILL) {
        kill(getpid(), SIGKILL);
        for (;;) pause();
    }
    if (mode == SHORT) return 2;
    errno = error_number;
    return 1;
}

#define REAL(name) static __typeof__(&name) real; if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)
#define FAULT(touches, family) if ((touches) && now(family) == 1) return -1

static int follow(int fd, int touches) {
    if (fd >= 0 && fd < FDS) followed[fd] = touches && mode != OFF;
    return fd;
}

#define OPENS(name) \
    int name(const char *path, int flags, ...) { \
        REAL(name); va_list more; va_start(more, flags); mode_t bits = va_arg(more, mode_t); va_end(more); \
        int touches = is_below(AT_FDCWD, path); FAULT(touches, OPEN); return follow(real(path, flags, bits), touches); }
#define OPENS_AT(name) \
    int name(int dirfd, const char *path, int flags, ...) { \
        REAL(name); va_list more; va_start(more, flags); mode_t bits = va_arg(more, mode_t); va_end(more); \
        int touches = is_below(dirfd, path); FAULT(touches, OPEN); return follow(real(dirfd, path, flags, bits), touches); }
OPENS(open) OPENS(open64) OPENS_AT(openat) OPENS_AT(openat64)

int dup(int fd) { REAL(dup); return follow(real(fd), is_followed(fd)); }
int fcntl(int fd, int command, ...) {
    REAL(fcntl); va_list more; va_start(more, command); void *argument = va_arg(more, void *); va_end(more);
    int found = real(fd, command, argument);
    return command == F_DUPFD || command == F_DUPFD_CLOEXEC ? follow(found, is_followed(fd)) : found; }
int fcntl64(int fd, int command, ...) {
    REAL(fcntl64); va_list more; va_start(more, command); void *argument = va_arg(more, void *); va_end(more);
    int found = real(fd, command, argument);
    return command == F_DUPFD || command == F_DUPFD_CLOEXEC ? follow(found, is_followed(fd)) : found; }
int close(int fd) {
    REAL(close); int touches = is_followed(fd); follow(fd, 0);
    int fault = touches ? now(CLOSE) : 0, number = errno, done = real(fd);
    if (fault == 1) { errno = number; return -1; }  /* as Linux does: closed all the same */
    return done; }

/* Bytes in and out: also cut short, to half. */
#define HALF(n) ((n) > 1 ? (n) / 2 : (n))
#define MOVES(type, name, family, constness, rest, given) \
    ssize_t name(int fd, constness void *data, size_t n rest) { \
        REAL(name); int fault = is_followed(fd) ? now(family) : 0; \
        if (fault == 1) return -1; \
        return real(fd, data, fault == 2 ? HALF(n) : n given); }
#define COMMA ,
MOVES(ssize_t, read, READ, , , ) MOVES(ssize_t, write, WRITE, const, , )
MOVES(ssize_t, pread, READ, , COMMA off_t o, COMMA o) MOVES(ssize_t, pread64, READ, , COMMA off64_t o, COMMA o)
MOVES(ssize_t, pwrite, WRITE, const, COMMA off_t o, COMMA o) MOVES(ssize_t, pwrite64, WRITE, const, COMMA off64_t o, COMMA o)
#define VECTORS(name, family, rest, given) \
    ssize_t name(int fd, const struct iovec *parts, int n rest) { \
        REAL(name); int fault = is_followed(fd) ? now(family) : 0; \
        if (fault == 1) return -1; \
        return real(fd, parts, fault == 2 ? HALF(n) : n given); }
VECTORS(writev, WRITE, , ) VECTORS(readv, READ, , )
VECTORS(pwritev, WRITE, COMMA off_t o, COMMA o) VECTORS(pwritev64, WRITE, COMMA off64_t o, COMMA o)
ssize_t copy_file_range(int in, off64_t *from, int out, off64_t *to, size_t n, unsigned flags) {
    REAL(copy_file_range); FAULT(is_followed(out), WRITE); return real(in, from, out, to, n, flags); }

#define OF_FD(name, family, rest, given) \
    int name(int fd rest) { REAL(name); FAULT(is_followed(fd), family); return real(fd given); }
OF_FD(fsync, SYNC, , ) OF_FD(fdatasync, SYNC, , )
OF_FD(ftruncate, WRITE, COMMA off_t n, COMMA n) OF_FD(ftruncate64, WRITE, COMMA off64_t n, COMMA n)
OF_FD(fchmod, META, COMMA mode_t m, COMMA m) OF_FD(fchown, META, COMMA uid_t u COMMA gid_t g, COMMA u COMMA g)
OF_FD(futimens, META, COMMA const struct timespec t[2], COMMA t)

#define OF_PATH(name, family, rest, given) \
    int name(const char *path rest) { REAL(name); FAULT(is_below(AT_FDCWD, path), family); return real(path given); }
#define OF_PATH_AT(name, family, rest, given) \
    int name(int dirfd, const char *path rest) { REAL(name); FAULT(is_below(dirfd, path), family); return real(dirfd, path given); }
OF_PATH(unlink, REMOVE, , ) OF_PATH(rmdir, REMOVE, , ) OF_PATH(mkdir, NAME, COMMA mode_t m, COMMA m)
OF_PATH_AT(unlinkat, REMOVE, COMMA int flags, COMMA flags) OF_PATH_AT(mkdirat, NAME, COMMA mode_t m, COMMA m)
OF_PATH_AT(fchownat, META, COMMA uid_t u COMMA gid_t g COMMA int flags, COMMA u COMMA g COMMA flags)
OF_PATH_AT(fchmodat, META, COMMA mode_t m COMMA int flags, COMMA m COMMA flags)
int utimensat(int dirfd, const char *path, const struct timespec t[2], int flags) {
    REAL(utimensat); FAULT(path ? is_below(dirfd, path) : is_followed(dirfd), META); return real(dirfd, path, t, flags); }
int mkfifoat(int dirfd, const char *path, mode_t m) { REAL(mkfifoat); FAULT(is_below(dirfd, path), NAME); return real(dirfd, path, m); }
int symlinkat(const char *to, int dirfd, const char *path) {
    REAL(symlinkat); FAULT(is_below(dirfd, path), NAME); return real(to, dirfd, path); }
#define TWO_PATHS(name, rest, given) \
    int name(const char *from, const char *to rest) { \
        REAL(name); FAULT(is_below(AT_FDCWD, to), NAME); return real(from, to given); }
#define TWO_PATHS_AT(name, rest, given) \
    int name(int a, const char *from, int b, const char *to rest) { \
        REAL(name); FAULT(is_below(b, to), NAME); return real(a, from, b, to given); }
TWO_PATHS(rename, , ) TWO_PATHS(link, , ) TWO_PATHS_AT(renameat, , )
TWO_PATHS_AT(renameat2, COMMA unsigned flags, COMMA flags) TWO_PATHS_AT(linkat, COMMA int flags, COMMA flags)
