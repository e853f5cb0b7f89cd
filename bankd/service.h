/* What a service manager and other programs on the host want to know: readiness, liveness, the
 * process id. Without a manager (no NOTIFY_SOCKET) the notices are silent. */
#ifndef BANKD_SERVICE_H
#define BANKD_SERVICE_H

#include "common/err.h"

#include <stdint.h>

/* Sends a notice such as "READY=1" in systemd's protocol (sd_notify(3)). */
void service_notify(const char *state);
/* How often WATCHDOG=1 is expected at most, in microseconds; 0 = never. */
int64_t service_watchdog_us(void);

ERR_MUST_USE enum err service_write_pid(const char *path, struct fault *fault);
void                  service_remove_pid(const char *path);

#endif
