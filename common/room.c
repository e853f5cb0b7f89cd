/* See room.h. The threads wait for a lock that is held until all of them were started. */
#include "common/room.h"

#include "common/check.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

enum { MIB = 1024 * 1024 };

static enum err check_files(int files, struct fault *fault)
{
    struct rlimit limit;
    const rlim_t  wanted = (rlim_t)files;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return ERR_none;
    if (limit.rlim_max != RLIM_INFINITY && limit.rlim_max < wanted)
        return fault_set(fault, ERR_process_limit, NULL,
                         "It may have %lld files open and needs %d: ulimit -n, LimitNOFILE=",
                         (long long)limit.rlim_max, files);
    limit.rlim_cur = wanted;
    if (setrlimit(RLIMIT_NOFILE, &limit) == 0)
        return ERR_none;
    return fault_set(fault, ERR_process_limit, NULL, "The limit of open files cannot be raised: %s",
                     strerror(errno));
}

static enum err check_bytes(int64_t bytes, struct fault *fault)
{
    void *at = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (at == MAP_FAILED)
        return fault_set(fault, ERR_process_limit, NULL,
                         "There are not %lld MiB of address space: ulimit -v, LimitAS=, LimitDATA=",
                         (long long)(bytes / MIB));
    munmap(at, (size_t)bytes);
    return ERR_none;
}

static void *wait_for_all(void *lock)
{
    pthread_mutex_lock(lock);
    pthread_mutex_unlock(lock);
    return NULL;
}

enum err room_check(const struct room *need, struct fault *fault)
{
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_t      *threads;
    int             started = 0;
    enum err        err;

    CHECK(need->files > 0 && need->threads > 0 && need->bytes > 0);
    TRY(check_files(need->files, fault));
    threads = calloc((size_t)need->threads, sizeof *threads);
    if (threads == NULL)
        return ERR_memory;
    pthread_mutex_lock(&lock);
    while (started < need->threads &&
           pthread_create(&threads[started], NULL, wait_for_all, &lock) == 0)
        started++;
    if (started == need->threads)
        err = check_bytes(need->bytes, fault);
    else
        err = fault_set(fault, ERR_process_limit, NULL,
                        "It may start %d threads and needs %d: ulimit -u, ulimit -v, TasksMax=",
                        started, need->threads);
    pthread_mutex_unlock(&lock);
    for (int i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    free(threads);
    return err;
}
