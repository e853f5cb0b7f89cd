/* `bankd user`: an operator manages the bank's staff on the host. Works beside a running bankd,
 * which notices within a second; every act is a link of the audit chain. Passwords come from a
 * file, from standard input, or from the terminal without echo; never from the command line, where
 * everybody on the host could read them. */
#include "bankd/auth.h"
#include "bankd/command.h"
#include "bankd/home.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

struct user_arguments {
    const char *action;
    char        email[LIMIT_EMAIL_MAX + 1];
    const char *name;
    const char *role;
    const char *password_file;
};

/* --- arguments ------------------------------------------------------------------------------- */

/* Text as the protocol has it: without what a terminal would obey, and no line ends. */
static bool is_line(const char *text, size_t max)
{
    struct slice rest = slice_from(text);
    uint32_t     code;
    size_t       n;

    if (rest.n == 0 || rest.n > max)
        return false;
    for (; rest.n > 0; rest = slice_of(rest.at + n, rest.n - n)) {
        n = slice_char(rest, &code);
        if (n == 0 || char_is_control(code))
            return false;
    }
    return true;
}

static enum err take_email(const char *text, struct user_arguments *out, struct fault *fault)
{
    size_t n = strlen(text);

    if (!is_line(text, LIMIT_EMAIL_MAX) || strchr(text, '@') == NULL || strchr(text, ' ') != NULL)
        return fault_set(fault, ERR_field_invalid, "email",
                         "That is not an e-mail address of at most %d bytes", LIMIT_EMAIL_MAX);
    for (size_t i = 0; i <= n; i++)
        out->email[i] = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] - 'A' + 'a') : text[i];
    return ERR_none;
}

static enum err parse(int argc, char **argv, struct user_arguments *out, struct fault *fault)
{
    memset(out, 0, sizeof *out);
    if (argc == 0)
        return fault_set(fault, ERR_usage, NULL, "Say add, list, passwd, enable or disable");
    out->action = argv[0];
    for (int i = 1; i < argc; i++) {
        const char **value = strcmp(argv[i], "--name") == 0            ? &out->name
                             : strcmp(argv[i], "--role") == 0          ? &out->role
                             : strcmp(argv[i], "--password-file") == 0 ? &out->password_file
                                                                       : NULL;

        if (value != NULL && i + 1 < argc)
            *value = argv[++i];
        else if (value == NULL && argv[i][0] != '-' && out->email[0] == '\0')
            TRY(take_email(argv[i], out, fault));
        else
            return fault_set(fault, ERR_usage, NULL, "%.60s is not known here or lacks its value",
                             argv[i]);
    }
    if (strcmp(out->action, "list") != 0 && out->email[0] == '\0')
        return fault_set(fault, ERR_usage, NULL, "Say the e-mail address of the user");
    return ERR_none;
}

/* --- passwords ------------------------------------------------------------------------------- */

static enum err read_line(FILE *file, char out[LIMIT_PASSWORD_MAX + 2], struct fault *fault)
{
    size_t n;

    if (fgets(out, LIMIT_PASSWORD_MAX + 2, file) == NULL)
        return fault_set(fault, ERR_field_missing, "password", "No password was given");
    n = strcspn(out, "\r\n");
    out[n] = '\0';
    if (n < LIMIT_PASSWORD_MIN || n > LIMIT_PASSWORD_MAX)
        return fault_set(fault, ERR_field_invalid, "password", "A password has %d to %d characters",
                         LIMIT_PASSWORD_MIN, LIMIT_PASSWORD_MAX);
    return ERR_none;
}

static enum err read_password(const struct user_arguments *arguments,
                              char out[LIMIT_PASSWORD_MAX + 2], struct fault *fault)
{
    struct termios before, silent;
    enum err       err;
    FILE          *file;

    if (arguments->password_file != NULL) {
        file = fopen(arguments->password_file, "re");
        if (file == NULL)
            return fault_set(fault, ERR_io, NULL, "Cannot open %.150s: %s",
                             arguments->password_file, strerror(errno));
        err = read_line(file, out, fault);
        fclose(file);
        return err;
    }
    if (tcgetattr(STDIN_FILENO, &before) != 0)
        return read_line(stdin, out, fault);
    silent = before;
    silent.c_lflag &= ~(tcflag_t)ECHO;
    fprintf(stderr, "Password for %s: ", arguments->email);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
    err = read_line(stdin, out, fault);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    fputc('\n', stderr);
    return err;
}

static enum err set_password(const struct user_arguments *arguments, struct user *user,
                             struct fault *fault)
{
    char     password[LIMIT_PASSWORD_MAX + 2];
    enum err err = read_password(arguments, password, fault);

    if (err == ERR_none)
        err = auth_hash(password, strlen(password), user->password_hash);
    sodium_memzero(password, sizeof password);
    return err;
}

/* --- actions --------------------------------------------------------------------------------- */

static bool print_user(void *context, const void *row)
{
    const struct user     *user = row;
    const struct role_row *role = role_find(user->role);
    char                   created[TIME_TEXT_MAX];

    (void)context;
    printf("%-36s %-20s %-24s %-9s %s\n", user->email, role != NULL ? role->name : "?", user->name,
           user->disabled ? "disabled" : "enabled", time_text_minute(user->created_at_us, created));
    return true;
}

static enum err fill_new(const struct user_arguments *arguments, struct writer *writer,
                         struct user *user, struct fault *fault)
{
    const struct role_row *role =
        arguments->role != NULL ? role_from_name(slice_from(arguments->role)) : NULL;

    if (arguments->name != NULL && !is_line(arguments->name, LIMIT_NAME_MAX))
        return fault_set(fault, ERR_field_invalid, "name",
                         "A name has 1 to %d bytes of UTF-8 without control characters",
                         LIMIT_NAME_MAX);
    if (role == NULL)
        return fault_set(fault, ERR_field_invalid, "role",
                         "--role must be FRAUD_ANALYST, FINANCIAL_MANAGER or COMPLIANCE_OFFICER");
    memset(user, 0, sizeof *user);
    user->number = writer_next_user(writer);
    user->user_id = uuid_v7(writer_now_us(writer));
    user->role = role->role;
    user->created_at_us = writer_now_us(writer);
    slice_copy(slice_from(arguments->email), user->email, sizeof user->email);
    slice_copy(slice_from(arguments->name != NULL ? arguments->name : arguments->email), user->name,
               sizeof user->name);
    return set_password(arguments, user, fault);
}

static enum err change_known(const struct user_arguments *arguments, struct user *user,
                             struct fault *fault)
{
    if (strcmp(arguments->action, "passwd") == 0)
        return set_password(arguments, user, fault);
    if (strcmp(arguments->action, "disable") == 0)
        user->disabled = true;
    else if (strcmp(arguments->action, "enable") == 0)
        user->disabled = false;
    else
        return fault_set(fault, ERR_usage, NULL, "There is no user %.40s", arguments->action);
    return ERR_none;
}

static enum err act_on_user(const struct user_arguments *arguments, struct store *store,
                            struct writer *writer, struct fault *fault)
{
    struct draft *draft = writer_draft(writer);
    char          operation[65];
    enum err err = store->ops->user_by_email(store, slice_from(arguments->email), &draft->user);

    if (strcmp(arguments->action, "add") == 0) {
        if (err == ERR_none)
            return fault_set(fault, ERR_exists, "email", "There is already a user %.100s",
                             arguments->email);
        if (err == ERR_not_found)
            err = fill_new(arguments, writer, &draft->user, fault);
    } else if (err == ERR_not_found) {
        return fault_set(fault, err, "email", "There is no user %.100s", arguments->email);
    } else if (err == ERR_none) {
        err = change_known(arguments, &draft->user, fault);
    }
    TRY(err);
    snprintf(operation, sizeof operation, "user.%.20s", arguments->action);
    struct act act = { .actor_name = "operator",
                       .kind = AUDIT_ACTION,
                       .operation = operation,
                       .subject = &draft->user.user_id,
                       .detail = slice_from(draft->user.email) };
    draft->change.user = &draft->user;
    writer_audit(writer, draft, &act);
    writer_add(writer, draft);
    return writer_commit(writer, fault);
}

static enum err run(struct conf *conf, const struct user_arguments *arguments, struct fault *fault)
{
    static struct home   home;
    struct writer       *writer = NULL;
    struct writer_config config = {
        .bank = &home.bank, .clock = clock_system(), .books_max = 64, .profiles_max = 64
    };
    bool     list = strcmp(arguments->action, "list") == 0;
    enum err err;

    TRY(home_open(conf, list ? STORE_READ : STORE_WRITE, false, &home, fault));
    if (list) {
        err = home.store->ops->users(home.store, print_user, NULL);
    } else {
        config.store = home.store;
        config.witness = home.witness;
        err = writer_open(&config, &writer, fault);
        /* A running bankd may commit in between; then the head has moved: once more is enough. */
        for (int i = 0; err == ERR_none && i < 8; i++) {
            err = act_on_user(arguments, home.store, writer, fault);
            if (err != ERR_changed_meanwhile)
                break;
            err = ERR_none;
        }
        writer_close(&writer);
    }
    home_close(&home);
    return err;
}

int command_user(struct conf *conf, int argc, char **argv)
{
    struct user_arguments arguments;
    struct fault          fault = { 0 };
    enum err              err = parse(argc, argv, &arguments, &fault);

    if (err == ERR_none)
        err = run(conf, &arguments, &fault);
    if (err == ERR_none && strcmp(arguments.action, "list") != 0)
        printf("user %s: %s\n", arguments.action, arguments.email);
    return command_end("user", err, &fault);
}
