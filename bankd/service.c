/* See service.h. The protocol is one datagram to a Unix socket, so no library is needed for it. */
#include "bankd/service.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void service_notify(const char *state)
{
    const char        *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    size_t             n = path != NULL ? strlen(path) : 0;
    int                fd;

    if (n == 0 || n >= sizeof address.sun_path || (path[0] != '/' && path[0] != '@'))
        return;
    memcpy(address.sun_path, path, n);
    if (path[0] == '@')
        address.sun_path[0] = '\0';
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    (void)sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&address,
                 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
    close(fd);
}

int64_t service_watchdog_us(void)
{
    const char *usec = getenv("WATCHDOG_USEC");
    const char *pid = getenv("WATCHDOG_PID");
    long long   value;

    if (usec == NULL || (pid != NULL && strtoll(pid, NULL, 10) != (long long)getpid()))
        return 0;
    value = strtoll(usec, NULL, 10);
    return value > 0 ? (int64_t)value : 0;
}

enum err service_write_pid(const char *path, struct fault *fault)
{
    char text[32];
    int  n = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    int  fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    if (fd < 0 || write(fd, text, (size_t)n) != n) {
        if (fd >= 0)
            close(fd);
        return fault_set(fault, ERR_io, NULL, "Cannot write %.180s: %s", path, strerror(errno));
    }
    close(fd);
    return ERR_none;
}

void service_remove_pid(const char *path)
{
    (void)unlink(path);
}
