/* crew DIR: a master and its workers, each of which holds one thing whose other end the master, or a brother, holds.
 *
 *   master ─┬─ writer, reader        an end of a pipe to the master; bytes are queued for the reader
 *           ├─ stream, datagrams     a unix socket paired with the master's; messages are queued
 *           ├─ epoller               an epoll of the master's, which watches a descriptor that only the master has
 *           ├─ terminal              a pty's slave; the master has its master
 *           ├─ shared                memory and a memfd that the master maps, too
 *           ├─ files                 threads, open and deleted files, a lock that came with the master's open file
 *           ├─ watcher               a pidfd of the master, a socket whose signals go to the master
 *           ├─ server                accepts at a socket that the master listens on
 *           ├─ tick ─pipe─> tock     brothers in a process group of their own
 *           └─ leader                a session of its own, a zombie, and
 *               ├─ left ─pipe─> right
 *               └─ orphan            whose session leader has ended
 *
 * Every 20 ms each writes what it is and what it counted to DIR/NAME.json (aside, then renamed). At SIGUSR1 it tries what
 * it holds and writes what it found to DIR/NAME.verdict.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
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
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TICK_US = 20000, PAGE = 4096, PAGES = 8, OFFSET = 1234 };

static volatile sig_atomic_t asked;
static volatile uint64_t count, threads[2], passed;
static char *memory;
static char found[1024];

static void check(int ok, const char *what)
{
    if (!ok) {
        perror(what);
        exit(1);
    }
}

static void on_usr1(int unused)
{
    (void)unused;
    asked = 1;
}

static void write_file(const char *name, const char *suffix, const char *format, ...)
{
    char aside[64], path[64];
    snprintf(aside, sizeof aside, "%s.new", name);
    snprintf(path, sizeof path, "%s.%s", name, suffix);
    int fd = open(aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    check(fd >= 0, aside);
    va_list args;
    va_start(args, format);
    check(vdprintf(fd, format, args) > 0, aside);
    va_end(args);
    check(close(fd) == 0 && rename(aside, path) == 0, name);
}

static void fill(char *at, uint64_t seed)
{
    for (uint64_t i = 0; i < PAGES * PAGE / 8; i++)
        ((uint64_t *)at)[i] = (seed + i) * 0x9e3779b97f4a7c15u;
}

static int is_filled(const char *at, uint64_t seed)
{
    for (uint64_t i = 0; i < PAGES * PAGE / 8; i++)
        if (((uint64_t *)at)[i] != (seed + i) * 0x9e3779b97f4a7c15u)
            return 0;
    return 1;
}

/* Adds `"key": value` to what the verdict will say. */
static void say(const char *key, const char *format, ...)
{
    size_t at = strlen(found);
    va_list args;
    at += snprintf(found + at, sizeof found - at, "%s\"%s\": ", at ? ", " : "", key);
    va_start(args, format);
    vsnprintf(found + at, sizeof found - at, format, args);
    va_end(args);
}

static const char *error(void)
{
    static const struct {
        int number;
        const char *name;
    } known[] = {{EAGAIN, "again"}, {EPIPE, "EPIPE"}, {EIO, "EIO"}, {ENOTCONN, "ENOTCONN"},
                 {ECONNREFUSED, "ECONNREFUSED"}, {ECONNRESET, "ECONNRESET"}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (known[i].number == errno)
            return known[i].name;
    return strerror(errno);
}

/* What came, or the name of the error. */
static void say_read(const char *key, int fd)
{
    char data[256] = "";
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    ssize_t n = read(fd, data, sizeof data - 1);
    if (n > 0)
        say(key, "\"%s\"", data);
    else
        say(key, "\"%s\"", n == 0 ? "end" : error());
}

static void say_write(const char *key, int fd, const char *text)
{
    ssize_t n = write(fd, text, strlen(text));
    say(key, "\"%s\"", n == (ssize_t)strlen(text) ? "written" : error());
}

static void live(const char *name, void (*each)(void), void (*verdict)(void))
{
    memory = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    check(memory != MAP_FAILED, "mmap");
    fill(memory, getpid());
    for (;;) {
        usleep(TICK_US);
        count++;
        if (each)
            each();
        write_file(name, "json",
                   "{\"pid\": %d, \"ppid\": %d, \"sid\": %d, \"pgid\": %d, \"count\": %llu, \"passed\": %llu, "
                   "\"threads\": [%llu, %llu], \"memory\": %s}\n",
                   getpid(), getppid(), getsid(0), getpgid(0), (unsigned long long)count, (unsigned long long)passed,
                   (unsigned long long)threads[0], (unsigned long long)threads[1],
                   is_filled(memory, getpid()) ? "true" : "false");
        if (asked) {
            asked = 0;
            found[0] = 0;
            if (verdict)
                verdict();
            write_file(name, "verdict", "{%s}\n", found);
        }
    }
}

/* -- what they hold ----------------------------------------------------------------------------------------- */

static int out[2], in[2], stream[2], datagram[2], epoll, watched, event, slave, terminal_master, memfd, lock, listening;
static int pidfd, owned[2], between[2], regular, ghost, own_pipe[2];
static char *common, *mapped;

static void writer(void)
{
    say_write("write", out[1], "hello from the writer\n");
}

static void reader(void)
{
    say_read("first", in[0]);
    say_read("then", in[0]);
}

static void try_socket(int fd)
{
    say_read("first", fd);
    say_read("then", fd);
    say_write("write", fd, "to the master");
}

static void streamer(void)
{
    try_socket(stream[1]);
}

static void datagrams(void)
{
    say_read("zeroth", datagram[1]);
    try_socket(datagram[1]);
}

static void epoller(void)
{
    struct epoll_event got[4];
    uint64_t one = 1;
    check(write(event, &one, sizeof one) == sizeof one, "eventfd");
    int n = epoll_wait(epoll, got, 4, 0);
    say("events", "%d", n);
    say("of_event", "%s", n == 1 && got[0].data.fd == event ? "true" : "false");
}

static void terminal(void)
{
    say_write("write", slave, "x");
    say("terminal", "%s", isatty(slave) ? "true" : "false");
}

static void sharer(void)
{
    say("shared", "%s", is_filled(common, 1) ? "true" : "false");
    say("memfd", "%s", is_filled(mapped, 2) ? "true" : "false");
}

static void keeper(void)
{
    char data[32] = "";
    int other = open("flock.lock", O_RDWR | O_CLOEXEC);
    say("lock", "%s", flock(other, LOCK_EX | LOCK_NB) == -1 && errno == EWOULDBLOCK ? "true" : "false");
    close(other);
    say("offset", "%ld", (long)lseek(regular, 0, SEEK_CUR));
    say("deleted", "%s", pread(ghost, data, 16, 0) == 16 && !memcmp(data, "deleted but open", 16) ? "true" : "false");
    say_read("pipe", own_pipe[0]);
    say_write("again", own_pipe[1], "once more");
}

static void watcher(void)
{
    struct pollfd one = {.fd = pidfd, .events = POLLIN};
    say("ended", "%s", poll(&one, 1, 0) == 1 ? "true" : "false");
    say("owner", "%d", fcntl(owned[0], F_GETOWN));
}

static void serve(void)
{
    int fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0) {
        dprintf(fd, "{\"pid\": %d, \"count\": %llu}\n", getpid(), (unsigned long long)count);
        close(fd);
        passed++;
    }
}

static void send_on(void)
{
    if (write(between[1], "x", 1) == 1)
        passed++;
}

static void take(void)
{
    char data[64];
    ssize_t n = read(between[0], data, sizeof data);
    if (n > 0)
        passed += n;
}

static void *count_on(void *which)
{
    for (;; usleep(TICK_US))
        ++*(volatile uint64_t *)which;
    return NULL;
}

static void start_thread(volatile uint64_t *counter)
{
    pthread_attr_t small;
    pthread_t thread;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 4 * PAGE);
    check(pthread_create(&thread, &small, count_on, (void *)counter) == 0, "pthread_create");
}

/* -- who they are ------------------------------------------------------------------------------------------- */

/* Closes all descriptors but the standard ones and those named: what a worker does not hold, it must not have. */
static void only(int n, ...)
{
    int keep[8];
    va_list args;
    va_start(args, n);
    for (int i = 0; i < n; i++)
        keep[i] = va_arg(args, int);
    va_end(args);
    for (int fd = 3; fd < 64; fd++) {
        int kept = 0;
        for (int i = 0; i < n; i++)
            kept |= keep[i] == fd;
        if (!kept)
            close(fd);
    }
}

static int worker(void)
{
    pid_t pid = fork();
    check(pid >= 0, "fork");
    return pid == 0;
}

static void lead(void)
{
    only(0);
    check(setsid() > 0 && prctl(PR_SET_CHILD_SUBREAPER, 1) == 0, "leader");
    check(pipe(between) == 0, "pipe");
    if (worker()) {
        only(1, between[1]);
        live("left", send_on, NULL);
    }
    if (worker()) {
        only(1, between[0]);
        fcntl(between[0], F_SETFL, O_NONBLOCK);
        live("right", take, NULL);
    }
    only(0);
    pid_t between_them = fork();
    if (between_them == 0) {
        setsid();
        if (worker())
            live("orphan", NULL, NULL);
        _exit(0);
    }
    check(waitpid(between_them, NULL, 0) == between_them, "waitpid");
    if (worker())
        _exit(7); /* nobody waits for this one */
    live("leader", NULL, NULL);
}

static void make_all(void)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "crew.sock"};
    int on = 1;
    check(pipe(out) == 0 && pipe(in) == 0 && write(in[1], "queued by the master", 20) == 20, "pipe");
    check(socketpair(AF_UNIX, SOCK_STREAM, 0, stream) == 0 && write(stream[0], "words", 5) == 5, "stream");
    check(socketpair(AF_UNIX, SOCK_DGRAM, 0, datagram) == 0, "datagrams");
    check(send(datagram[0], "one", 3, 0) == 3 && send(datagram[0], "two", 3, 0) == 3, "datagrams");
    check((epoll = epoll_create1(0)) >= 0 && (event = eventfd(0, 0)) >= 0 && (watched = eventfd(1, 0)) >= 0, "epoll");
    int fds[] = {event, watched};
    for (int i = 0; i < 2; i++) {
        struct epoll_event want = {.events = EPOLLIN, .data.fd = fds[i]};
        check(epoll_ctl(epoll, EPOLL_CTL_ADD, fds[i], &want) == 0, "epoll_ctl");
    }
    check((terminal_master = posix_openpt(O_RDWR | O_NOCTTY)) >= 0, "ptmx");
    check(grantpt(terminal_master) == 0 && unlockpt(terminal_master) == 0, "pty");
    check((slave = open(ptsname(terminal_master), O_RDWR | O_NOCTTY)) >= 0, "slave");
    common = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    memfd = memfd_create("crew", 0);
    check(ftruncate(memfd, PAGES * PAGE) == 0, "memfd");
    mapped = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
    fill(common, 1);
    fill(mapped, 2);
    lock = open("flock.lock", O_RDWR | O_CREAT, 0600);
    check(flock(lock, LOCK_EX) == 0, "flock");
    listening = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    check(bind(listening, (void *)&name, sizeof name) == 0 && listen(listening, 8) == 0, "listen");
    pidfd = syscall(SYS_pidfd_open, getpid(), 0);
    check(socketpair(AF_UNIX, SOCK_STREAM, 0, owned) == 0 && fcntl(owned[0], F_SETOWN, getpid()) == 0, "owner");
    check(setsockopt(owned[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == 0, "socket");
    check(pipe(between) == 0 && fcntl(between[0], F_SETFL, O_NONBLOCK) == 0, "pipe");
}

static void make_files(void)
{
    start_thread(&threads[0]);
    start_thread(&threads[1]);
    regular = open("regular", O_RDWR | O_CREAT, 0600);
    check(ftruncate(regular, 2 * OFFSET) == 0 && lseek(regular, OFFSET, SEEK_SET) == OFFSET, "regular");
    ghost = open("ghost", O_RDWR | O_CREAT | O_EXCL, 0600);
    check(write(ghost, "deleted but open", 16) == 16 && unlink("ghost") == 0, "ghost");
    check(pipe(own_pipe) == 0 && write(own_pipe[1], "in my own pipe", 14) == 14, "pipe");
}

static void start(const char *name, void (*each)(void), void (*verdict)(void), int n, int one, int two)
{
    if (!worker())
        return;
    only(n, one, two);
    if (!strcmp(name, "files"))
        make_files();
    live(name, each, verdict);
}

int main(int argc, char **argv)
{
    check(argc == 2 && chdir(argv[1]) == 0, "usage: crew DIR");
    signal(SIGUSR1, on_usr1);
    signal(SIGPIPE, SIG_IGN);
    make_all();
    start("writer", NULL, writer, 1, out[1], 0);
    start("reader", NULL, reader, 1, in[0], 0);
    start("stream", NULL, streamer, 1, stream[1], 0);
    start("datagrams", NULL, datagrams, 1, datagram[1], 0);
    start("epoller", NULL, epoller, 2, epoll, event);
    start("terminal", NULL, terminal, 1, slave, 0);
    start("shared", NULL, sharer, 1, memfd, 0);
    start("files", NULL, keeper, 1, lock, 0);
    start("watcher", NULL, watcher, 1, pidfd, 0);
    start("owned", NULL, watcher, 2, owned[0], owned[1]);
    start("server", serve, NULL, 1, listening, 0);
    pid_t tick = fork();
    if (tick == 0) {
        setpgid(0, 0);
        only(1, between[1]);
        live("tick", send_on, NULL);
    }
    if (worker()) {
        setpgid(0, tick);
        only(1, between[0]);
        live("tock", take, NULL);
    }
    if (worker())
        lead();
    close(out[1]), close(in[0]), close(stream[1]), close(datagram[1]), close(slave);
    close(between[0]), close(between[1]);
    live("master", NULL, NULL);
}
