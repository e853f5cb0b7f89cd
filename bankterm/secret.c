/* Passwords and tokens: files, environment, terminal.
 *
 * While a password is typed the terminal neither echoes nor turns Ctrl-C into a signal, and the
 * signals that would end the program wait, so that no way out leaves the terminal without echo.
 * Ctrl-C and the end of file are taken as giving up. */
#include "bankterm/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "common/buf.h"

enum { SECRET_FILE_MAX = 4096, CTRL_C = 3, CTRL_D = 4 };

/* Reads at most size - 1 bytes of a file and ends them with NUL. */
static enum err file_read(const char *path, char *out, size_t size, struct fault *fault)
{
    int     fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t  used = 0;
    ssize_t n = 1;

    out[0] = '\0';
    if (fd < 0)
        return fault_set(fault, ERR_io, NULL, "%s cannot be opened: %s", path, strerror(errno));
    while (n > 0 && used < size - 1) {
        n = read(fd, out + used, size - 1 - used);
        used += n > 0 ? (size_t)n : 0;
    }
    out[used] = '\0';
    if (n < 0) {
        close(fd);
        return fault_set(fault, ERR_io, NULL, "%s cannot be read: %s", path, strerror(errno));
    }
    close(fd);
    return ERR_none;
}

enum err secret_from_file(const char *path, char *out, size_t size, struct fault *fault)
{
    char     text[SECRET_FILE_MAX];
    enum err err = file_read(path, text, sizeof text, fault);

    if (err == ERR_none) {
        text[strcspn(text, "\r\n")] = '\0';
        if (text[0] == '\0')
            err = fault_set(fault, ERR_file_syntax, NULL, "The first line of %s is empty", path);
        else if (strlen(text) >= size)
            err = fault_set(fault, ERR_file_syntax, NULL, "The first line of %s is too long", path);
        else
            slice_copy(slice_from(text), out, size);
    }
    explicit_bzero(text, sizeof text);
    return err;
}

/* Reads a line byte by byte; false when the user gave up. A line that is too long is cut, which
 * makes it wrong, as it should be. */
static bool line_type(int fd, char *out, size_t size)
{
    size_t used = 0;

    for (;;) {
        char    c = 0;
        ssize_t n = read(fd, &c, 1);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0 || c == CTRL_C || (c == CTRL_D && used == 0))
            return false;
        if (c == '\n' || c == '\r')
            break;
        if (used < size - 1)
            out[used++] = c;
    }
    out[used] = '\0';
    return true;
}

enum err secret_ask(const char *prompt, char *out, size_t size, bool *asked, struct fault *fault)
{
    int            fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    struct termios before;
    struct termios quiet;
    sigset_t       waiting;
    sigset_t       signals;
    bool           typed;

    *asked = false;
    if (fd < 0 || tcgetattr(fd, &before) != 0) {
        if (fd >= 0)
            close(fd);
        return ERR_none;
    }
    *asked = true;
    sigemptyset(&waiting);
    sigaddset(&waiting, SIGTERM);
    sigaddset(&waiting, SIGHUP);
    sigaddset(&waiting, SIGINT);
    sigaddset(&waiting, SIGQUIT);
    sigaddset(&waiting, SIGTSTP);
    pthread_sigmask(SIG_BLOCK, &waiting, &signals);
    quiet = before;
    quiet.c_lflag &= ~(tcflag_t)(ECHO | ISIG);
    tcsetattr(fd, TCSAFLUSH, &quiet);
    dprintf(fd, "%s", prompt);
    typed = line_type(fd, out, size);
    tcsetattr(fd, TCSAFLUSH, &before);
    dprintf(fd, "\n");
    close(fd);
    pthread_sigmask(SIG_SETMASK, &signals, NULL);
    return typed ? ERR_none : fault_set(fault, ERR_cancelled, NULL, "No password was given");
}

enum err secret_password(const char *file, const char *user, char *out, size_t size,
                         struct fault *fault)
{
    const char *given = getenv("BANKTERM_PASSWORD");
    char        prompt[LIMIT_EMAIL_MAX + 32];
    bool        asked = false;

    if (file[0] != '\0')
        return secret_from_file(file, out, size, fault);
    if (given != NULL && strlen(given) >= size)
        return fault_set(fault, ERR_field_too_long, "password", "BANKTERM_PASSWORD is too long");
    if (given != NULL) {
        slice_copy(slice_from(given), out, size);
        return ERR_none;
    }
    snprintf(prompt, sizeof prompt, "Password of %s: ", user);
    TRY(secret_ask(prompt, out, size, &asked, fault));
    if (!asked)
        return fault_set(fault, ERR_login_required, NULL,
                         "There is no password: give --password-file FILE or set "
                         "BANKTERM_PASSWORD");
    return ERR_none;
}

/* --- token files --------------------------------------------------------------------------- */

enum err secret_token_save(const char *path, const uint8_t token[LIMIT_TOKEN_BYTES],
                           struct fault *fault)
{
    char text[2 * LIMIT_TOKEN_BYTES + 2];
    bool whole;
    int  fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0)
        return fault_set(fault, ERR_io, "token_file", "%s cannot be created: %s", path,
                         strerror(errno));
    for (size_t i = 0; i < LIMIT_TOKEN_BYTES; i++)
        snprintf(text + 2 * i, 3, "%02x", (unsigned)token[i]);
    text[sizeof text - 2] = '\n';
    /* The rights come before the secret. */
    whole = fchmod(fd, 0600) == 0 && ftruncate(fd, 0) == 0
            && write(fd, text, sizeof text - 1) == (ssize_t)(sizeof text - 1);
    if (close(fd) != 0 || !whole) {
        explicit_bzero(text, sizeof text);
        return fault_set(fault, ERR_io, "token_file", "%s cannot be written: %s", path,
                         strerror(errno));
    }
    explicit_bzero(text, sizeof text);
    return ERR_none;
}

static bool token_parse(const char *text, uint8_t token[LIMIT_TOKEN_BYTES])
{
    size_t n = 0;

    return strlen(text) == (size_t)2 * LIMIT_TOKEN_BYTES &&
           sodium_hex2bin(token, LIMIT_TOKEN_BYTES, text, strlen(text), NULL, &n, NULL) == 0 &&
           n == LIMIT_TOKEN_BYTES;
}

enum err secret_token_load(const char *path, uint8_t token[LIMIT_TOKEN_BYTES], struct fault *fault)
{
    char     text[SECRET_FILE_MAX];
    enum err err = ERR_none;

    if (access(path, F_OK) != 0)
        return fault_set(fault, ERR_login_required, "token_file",
                         "There is no session in %s: run session.login with the same --token-file",
                         path);
    TRY(file_read(path, text, sizeof text, fault));
    text[strcspn(text, " \t\r\n")] = '\0';
    if (!token_parse(text, token))
        err = fault_set(fault, ERR_file_syntax, "token_file",
                        "%s does not hold a token of %d hexadecimal digits", path,
                        2 * LIMIT_TOKEN_BYTES);
    explicit_bzero(text, sizeof text);
    return err;
}
