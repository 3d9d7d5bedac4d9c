/* tree DIR SECRET: a small process tree that holds one of most kinds of object CRIU stores.
 *
 *   parent ── thread          counters in private memory, in memory shared by all three, at a timerfd's ticks
 *     └───── child
 *
 * Ten times a second each process writes what it counts to DIR/parent.json and DIR/child.json, under another
 * name first, so that a reader never sees half a report. At SIGUSR1 it takes out what was in flight when
 * it was dumped (pipe, sockets, eventfd) and writes what it found to DIR/parent.verdict and DIR/child.verdict.
 * SECRET is read once, from argv: after a restore it can only come from dumped memory.
 *
 * C and static, not Python: a process is 0.2 MB in the dump instead of 6, and its pages are ours.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { PAGE = 4096, COLD_PAGES = 12, WARM_PAGES = 16, ZERO_PAGES = 4, IN_FLIGHT = 3000, EVENTS = 7 };
enum { TICK_MS = 20, REPORT_EVERY = 5, OFFSET = 1234, LOCK_START = 10, LOCK_LENGTH = 5 };

struct shared {
    volatile uint64_t parent, child, thread;
};

static struct shared *shared;
static uint64_t private_count;        /* a counter in .bss, private to each process */
static volatile uint64_t thread_count; /* the thread's own, private to the parent */
static sigset_t asked;                 /* SIGUSR1, blocked in every thread so that only the signalfd takes it */
static char *secret, *cold, *warm, *zero;
static int pipe_fd[2], stream[2], datagram[2], regular, ghost, ghost_dup, event, timer, stop, poll_fd, lock, flock_fd;

static void check(int ok, const char *what)
{
    if (!ok) {
        perror(what);
        exit(1);
    }
}

/* Bytes that do not compress but can be made again, to compare with: xorshift64. */
static void pattern(char *to, size_t size, uint64_t seed)
{
    uint64_t x = seed * 0x9e3779b97f4a7c15u + 1;
    for (size_t i = 0; i + sizeof x <= size; i += sizeof x) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        memcpy(to + i, &x, sizeof x);
    }
}

static int is_pattern(const char *at, size_t size, uint64_t seed)
{
    static char expected[PAGE];
    for (size_t i = 0; i < size; i += PAGE) {
        size_t part = size - i < PAGE ? size - i : PAGE;
        pattern(expected, part, seed + i / PAGE);
        if (memcmp(at + i, expected, part))
            return 0;
    }
    return 1;
}

static char *pages(size_t count, int flags)
{
    void *at = mmap(NULL, count * PAGE, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);
    check(at != MAP_FAILED, "mmap");
    return at;
}

/* Whole or not at all: written aside, then renamed. */
static void write_file(const char *name, const char *format, ...)
{
    char aside[64];
    snprintf(aside, sizeof aside, "%s.new", name);
    int fd = open(aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    check(fd >= 0, aside);
    va_list args;
    va_start(args, format);
    check(vdprintf(fd, format, args) > 0, aside);
    va_end(args);
    check(close(fd) == 0 && rename(aside, name) == 0, name);
}

static void make_memory(const char *given)
{
    shared = (void *)pages(4, MAP_SHARED);
    secret = strdup(given);
    cold = pages(COLD_PAGES, MAP_PRIVATE); /* written once: a later dump of a chain leaves it to its parent */
    for (int i = 0; i < COLD_PAGES; i++)
        pattern(cold + i * PAGE, PAGE, 100 + i);
    warm = pages(WARM_PAGES, MAP_PRIVATE); /* one page more is written at every report */
    zero = pages(ZERO_PAGES, MAP_PRIVATE);
    memset(zero, 0, ZERO_PAGES * PAGE); /* present, and all zero */
}

static void make_files(void)
{
    static char data[2 * PAGE];
    pattern(data, PAGE, 200);
    pattern(data + PAGE, PAGE, 201);
    regular = open("regular", O_RDWR | O_CREAT | O_EXCL, 0640);
    check(write(regular, data, sizeof data) == sizeof data, "regular");
    check(lseek(regular, OFFSET, SEEK_SET) == OFFSET, "lseek");
    ghost = open("ghost", O_RDWR | O_CREAT | O_EXCL, 0600);
    check(write(ghost, "deleted but open", 16) == 16 && unlink("ghost") == 0, "ghost");
    check(lseek(ghost, 8, SEEK_SET) == 8, "lseek");
    ghost_dup = dup(ghost);
    lock = open("posix.lock", O_RDWR | O_CREAT, 0600);
    struct flock range = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = LOCK_START, .l_len = LOCK_LENGTH};
    check(fcntl(lock, F_SETLK, &range) == 0, "F_SETLK");
    flock_fd = open("flock.lock", O_RDWR | O_CREAT, 0600);
    check(flock(flock_fd, LOCK_EX) == 0, "flock");
}

static void make_pipes(void)
{
    static char data[IN_FLIGHT];
    pattern(data, sizeof data, 300);
    check(pipe(pipe_fd) == 0 && write(pipe_fd[1], data, sizeof data) == sizeof data, "pipe");
    check(socketpair(AF_UNIX, SOCK_STREAM, 0, stream) == 0, "socketpair");
    check(write(stream[0], "queued bytes", 12) == 12, "stream");
    check(socketpair(AF_UNIX, SOCK_DGRAM, 0, datagram) == 0, "socketpair");
    check(send(datagram[0], "first", 5, 0) == 5 && send(datagram[0], "second!", 7, 0) == 7, "datagram");
}

/* One shot, set anew after every tick. A periodic timerfd that expires while its process is frozen is dumped
 * with the value 0 and restored as stopped: CRIU 4.1.1 brings back its ticks but nothing arms it again. */
static void set_timer(void)
{
    struct itimerspec once = {.it_value = {0, TICK_MS * 1000000}};
    check(timerfd_settime(timer, 0, &once, NULL) == 0, "timerfd");
}

/* Each process has an epoll, a timerfd and a signalfd of its own; the eventfd is the parent's. */
static void make_events(void)
{
    stop = signalfd(-1, &asked, 0);
    timer = timerfd_create(CLOCK_MONOTONIC, 0);
    set_timer();
    poll_fd = epoll_create1(0);
    int watched[] = {stop, timer, event};
    for (int i = 0; i < 3; i++) {
        struct epoll_event want = {.events = watched[i] == event ? 0 : EPOLLIN, .data.fd = watched[i]};
        check(epoll_ctl(poll_fd, EPOLL_CTL_ADD, watched[i], &want) == 0, "epoll_ctl");
    }
}

static void *count_in_thread(void *unused)
{
    for (;; usleep(TICK_MS * 1000))
        shared->thread++, thread_count++;
    return unused;
}

static int memory_is_whole(void)
{
    static const char zeros[PAGE];
    if (!is_pattern(cold, COLD_PAGES * PAGE, 100))
        return 0;
    for (int i = 0; i < ZERO_PAGES; i++)
        if (memcmp(zero + i * PAGE, zeros, PAGE))
            return 0;
    uint64_t reports = private_count / REPORT_EVERY, first = reports > WARM_PAGES ? reports - WARM_PAGES : 0;
    for (uint64_t i = first; i < reports; i++)
        if (*(uint64_t *)(warm + i % WARM_PAGES * PAGE) != i + 1)
            return 0;
    return 1;
}

static void report(const char *name)
{
    write_file(name,
               "{\"pid\": %d, \"ppid\": %d, \"private\": %llu, \"thread\": %llu, "
               "\"shared\": {\"parent\": %llu, \"child\": %llu, \"thread\": %llu}, "
               "\"memory\": %s, \"secret\": \"%s\"}\n",
               getpid(), getppid(), (unsigned long long)private_count,
               (unsigned long long)thread_count, (unsigned long long)shared->parent,
               (unsigned long long)shared->child, (unsigned long long)shared->thread,
               memory_is_whole() ? "true" : "false", secret);
}

static void on_tick(const char *name, volatile uint64_t *mine)
{
    uint64_t expired;
    check(read(timer, &expired, sizeof expired) == sizeof expired, "timerfd");
    set_timer();
    ++*mine;
    if (++private_count % REPORT_EVERY)
        return;
    uint64_t reports = private_count / REPORT_EVERY - 1;
    *(uint64_t *)(warm + reports % WARM_PAGES * PAGE) = reports + 1;
    report(name);
}

static const char *truth(int value)
{
    return value ? "true" : "false";
}

static void parent_verdict(void)
{
    static char data[2 * PAGE];
    uint64_t events = 0;
    int in_pipe = read(pipe_fd[0], data, sizeof data) == IN_FLIGHT && is_pattern(data, IN_FLIGHT, 300);
    int in_stream = read(stream[1], data, sizeof data) == 12 && !memcmp(data, "queued bytes", 12);
    int in_datagrams = recv(datagram[1], data, sizeof data, 0) == 5 && !memcmp(data, "first", 5) &&
                       recv(datagram[1], data, sizeof data, 0) == 7 && !memcmp(data, "second!", 7);
    int in_event = read(event, &events, sizeof events) == sizeof events && events == EVENTS;
    int offset = lseek(regular, 0, SEEK_CUR) == OFFSET && pread(regular, data, sizeof data, 0) == sizeof data &&
                 is_pattern(data, sizeof data, 200);
    int deleted = read(ghost_dup, data, sizeof data) == 8 && !memcmp(data, "but open", 8) &&
                  lseek(ghost, 0, SEEK_CUR) == 16 && access("ghost", F_OK) != 0;
    write_file("parent.verdict",
               "{\"pipe\": %s, \"stream\": %s, \"datagrams\": %s, \"eventfd\": %s, \"regular\": %s, \"ghost\": %s}\n",
               truth(in_pipe), truth(in_stream), truth(in_datagrams), truth(in_event), truth(offset), truth(deleted));
}

/* Locks can only be seen from another process: the child finds the parent's. */
static void child_verdict(void)
{
    struct flock range = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 100};
    int posix = fcntl(lock, F_GETLK, &range) == 0 && range.l_type == F_WRLCK && range.l_pid == getppid() &&
                range.l_start == LOCK_START && range.l_len == LOCK_LENGTH;
    int other = open("flock.lock", O_RDWR | O_CLOEXEC);
    int whole = flock(other, LOCK_EX | LOCK_NB) == -1 && errno == EWOULDBLOCK;
    close(other);
    write_file("child.verdict", "{\"posix_lock\": %s, \"flock\": %s}\n", truth(posix), truth(whole));
}

static void live(const char *name, volatile uint64_t *mine, void (*verdict)(void))
{
    make_events();
    for (;;) {
        struct epoll_event got;
        int ready = epoll_wait(poll_fd, &got, 1, -1);
        check(ready == 1 || errno == EINTR, "epoll_wait");
        if (ready == 1 && got.data.fd == timer)
            on_tick(name, mine);
        if (ready == 1 && got.data.fd == stop) {
            struct signalfd_siginfo info;
            check(read(stop, &info, sizeof info) == sizeof info, "signalfd");
            verdict();
        }
    }
}

int main(int argc, char **argv)
{
    check(argc == 3 && chdir(argv[1]) == 0, "usage: tree DIR SECRET");
    sigemptyset(&asked);
    sigaddset(&asked, SIGUSR1);
    check(sigprocmask(SIG_BLOCK, &asked, NULL) == 0, "sigprocmask");
    make_memory(argv[2]);
    make_files();
    make_pipes();
    event = eventfd(EVENTS, 0);
    pid_t child = fork();
    check(child >= 0, "fork");
    if (child == 0)
        live("child.json", &shared->child, child_verdict);
    pthread_attr_t small;
    pthread_t thread;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 4 * PAGE);
    check(pthread_create(&thread, &small, count_in_thread, NULL) == 0, "pthread_create");
    live("parent.json", &shared->parent, parent_verdict);
}
