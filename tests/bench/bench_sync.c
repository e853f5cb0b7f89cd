/* How long the disk takes to make 4 KiB safe: overwrites blocks of a file that is there already and
 * calls fdatasync after each, as a log that is written over does.
 *
 *   bench_sync DIRECTORY SECONDS
 *
 * Prints one line of key=value: syncs, p50_us, p99_us. */
#include "common/check.h"
#include "common/clock.h"
#include "tests/bench/bench_id.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK = 4096, BLOCKS = 1024, SAMPLES_MAX = 1000000 };

static int compare(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a;
    int64_t right = *(const int64_t *)b;

    return (left > right) - (left < right);
}

static int64_t now_us(void)
{
    return clock_system()->monotonic_us(clock_system());
}

static void write_block(int fd, int64_t number, const char *block)
{
    CHECK(pwrite(fd, block, BLOCK, (off_t)(number % BLOCKS) * BLOCK) == BLOCK);
}

int main(int argc, char **argv)
{
    static char block[BLOCK];
    char        path[1000];
    int64_t    *samples = calloc(SAMPLES_MAX, sizeof *samples);
    int64_t     n = 0;
    int64_t     end_us;
    int         fd;

    if (argc != 3) {
        fprintf(stderr, "usage: bench_sync DIRECTORY SECONDS\n");
        return 2;
    }
    snprintf(path, sizeof path, "%s/bench_sync.tmp", argv[1]);
    fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    CHECK(fd >= 0 && samples != NULL);
    memset(block, 1, sizeof block);
    for (int64_t i = 0; i < BLOCKS; i++)
        write_block(fd, i, block);
    CHECK(fsync(fd) == 0);
    end_us = now_us() + bench_number(argv[2]) * US_PER_SECOND;
    while (now_us() < end_us && n < SAMPLES_MAX) {
        int64_t begin_us = now_us();

        block[n % BLOCK]++;
        write_block(fd, n, block);
        CHECK(fdatasync(fd) == 0);
        samples[n++] = now_us() - begin_us;
    }
    CHECK(n > 0);
    qsort(samples, (size_t)n, sizeof samples[0], compare);
    printf("syncs=%lld p50_us=%lld p99_us=%lld\n", (long long)n, (long long)samples[n / 2],
           (long long)samples[n * 99 / 100]);
    close(fd);
    unlink(path);
    free(samples);
    return 0;
}
