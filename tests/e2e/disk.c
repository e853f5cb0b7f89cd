/* A disk in trouble: put in front of the C library (LD_PRELOAD) it lets every sync hang as long as
 * the file DISK_TROUBLE/hang is there, and every read from a place in a file fail as long as
 * DISK_TROUBLE/read is. Where the trouble lies is read once for each call, so that a test makes
 * and ends it from outside. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int     fdatasync(int fd);
int     fsync(int fd);
ssize_t pread(int fd, void *out, size_t n, off_t at);
ssize_t pread64(int fd, void *out, size_t n, off_t at);

static bool is_there(const char *kind)
{
    const char *place = getenv("DISK_TROUBLE");
    char        path[1024];

    if (place == NULL)
        return false;
    snprintf(path, sizeof path, "%s/%s", place, kind);
    return access(path, F_OK) == 0;
}

static void hang(void)
{
    const struct timespec pause = { .tv_nsec = 10 * 1000 * 1000 };

    while (is_there("hang"))
        nanosleep(&pause, NULL);
}

int fdatasync(int fd)
{
    hang();
    return (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd)
{
    hang();
    return (int)syscall(SYS_fsync, fd);
}

ssize_t pread(int fd, void *out, size_t n, off_t at)
{
    if (is_there("read")) {
        errno = EIO;
        return -1;
    }
    return syscall(SYS_pread64, fd, out, n, at);
}

ssize_t pread64(int fd, void *out, size_t n, off_t at)
{
    return pread(fd, out, n, at);
}
