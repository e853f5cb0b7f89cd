/* Prints the man pages and the shell completion from the tables that the programs themselves are
 * made of, so that no manual can tell another story than the code.
 *
 * usage: gen-docs bankd.8|bankterm.1|bankd.conf.5|bankd.bash|bankterm.bash
 *
 * Sources: the operations, messages and words of proto/, the errors of common/errors.def, the
 * options and commands of both programs. Pages are mdoc; what comes from a table is escaped on
 * its way out, prose written here is not. The output depends on nothing but the tables. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/check.h"
#include "common/conf.h"
#include "common/err.h"
#include "proto/proto.h"

enum { FLAG_MAX = 64 };

struct command {
    const char *name;
    const char *arguments; /* as --help shows them */
    const char *help;
};

static const struct command commands[] = {
#define COMMAND(name, arguments, help) { #name, arguments, help },
#include "bankd/commands.def"
#undef COMMAND
};

static const struct conf_row bankd_rows[] = {
#define OPTION(key, type, min, max, fallback, unit, choices, also, secret, help)                   \
    { #key, type, min, max, fallback, unit, choices, also, secret, help },
#include "bankd/options.def"
#undef OPTION
};

static const struct conf_row bankterm_rows[] = {
#define OPTION(key, type, min, max, fallback, unit, choices, also, secret, help)                   \
    { #key, type, min, max, fallback, unit, choices, also, secret, help },
#include "bankterm/options.def"
#undef OPTION
};

/* --- text for mdoc ------------------------------------------------------------------------- */

/* Text of a table from the start of a line: nothing in it can be taken for a macro or an escape,
 * and a sentence inside it begins a line, as mdoc wants it. */
static void put(const char *text)
{
    char before = '\n';

    for (const char *at = text; *at != '\0'; before = *at++) {
        if (*at == ' ' && (before == '.' || before == '?')) {
            putchar('\n');
            continue;
        }
        if ((at == text || before == ' ') && (*at == '.' || *at == '\''))
            fputs("\\&", stdout);
        if (*at == '\\')
            fputs("\\e", stdout);
        else if (*at == '-')
            fputs("\\-", stdout);
        else
            putchar(*at);
    }
}

static void put_line(const char *text)
{
    put(text);
    putchar('\n');
}

/* A sentence of a table; tables leave the full stop out. */
static void put_sentence(const char *text)
{
    size_t n = strlen(text);

    put(text);
    puts(n > 0 && strchr(".?!:", text[n - 1]) != NULL ? "" : ".");
}

/* "data_dir" -> "data-dir" */
static const char *flag_of(const char *key, char out[FLAG_MAX])
{
    snprintf(out, FLAG_MAX, "%s", key);
    for (char *at = out; *at != '\0'; at++)
        if (*at == '_')
            *at = '-';
    return out;
}

static void put_head(const char *page, const char *section, const char *name, const char *what)
{
    printf(".\\\" Printed from the tables of the source tree; change those instead.\n"
           ".Dd November 22, 2026\n.Dt %s %s\n.Os\n.Sh NAME\n.Nm %s\n.Nd %s\n",
           page, section, name, what);
}

/* --- parts that pages share ---------------------------------------------------------------- */

static void put_range(const struct conf_row *row)
{
    switch (row->type) {
    case CONF_INT:
        printf("A whole number from %" PRId64 " to %" PRId64 "%s%s.\n", row->min, row->max,
               row->unit[0] != '\0' ? ", in " : "", row->unit);
        break;
    case CONF_BOOL:
        puts("Yes or no.");
        break;
    case CONF_CHOICE:
        fputs("One of ", stdout);
        for (const char *at = row->choices; *at != '\0'; at++)
            fputs(*at == '|' ? ", " : (char[]){ *at, '\0' }, stdout);
        puts(".");
        break;
    case CONF_TEXT:
    case CONF_PATH:
        break;
    }
    if (row->fallback[0] != '\0' && !row->secret) {
        puts("Default:");
        fputs(".Ql ", stdout);
        put(row->fallback);
        puts(" .");
    }
}

static void put_options(const struct conf_row *rows, size_t count, const char *prefix, bool flags)
{
    puts(".Bl -tag -width Ds");
    for (size_t i = 0; i < count; i++) {
        char flag[FLAG_MAX];

        if (flags) {
            printf(".It Fl \\-%s", flag_of(rows[i].key, flag));
            puts(rows[i].type == CONF_BOOL ? "" : " Ar value");
        } else {
            printf(".It Ic %s\n", rows[i].key);
        }
        put_sentence(rows[i].help);
        put_range(&rows[i]);
        if (!flags) {
            fputs("Environment:\n.Ev ", stdout);
            for (const char *at = prefix; *at != '\0'; at++)
                putchar(*at);
            putchar('_');
            for (const char *at = rows[i].key; *at != '\0'; at++)
                putchar(*at >= 'a' && *at <= 'z' ? *at - 'a' + 'A' : *at);
            if (rows[i].also != NULL)
                printf(" or\n.Ev %s", rows[i].also);
            puts(" .");
        }
    }
    puts(".El");
}

static void put_exit_codes(void)
{
    puts(".Bl -tag -width Ds");
    for (int class = ERR_CLASS_NONE; class <= ERR_CLASS_UNKNOWN; class++) {
        printf(".It %d\n", class);
        if (class == ERR_CLASS_NONE) {
            puts("Done.");
            continue;
        }
        puts("The error's class is");
        printf(".Ql %s .\n", err_class_name((enum err_class)class));
        put_sentence(err_class_promise((enum err_class)class));
    }
    puts(".El");
}

/* --- bankterm(1) --------------------------------------------------------------------------- */

static void put_type(const struct field_desc *field)
{
    static const char *const names[] = {
        [FIELD_UUID] = "UUID",   [FIELD_INT] = "whole number", [FIELD_MONEY] = "amount",
        [FIELD_TIME] = "time",   [FIELD_BOOL] = "yes or no",   [FIELD_TEXT] = "text",
        [FIELD_BYTES] = "bytes", [FIELD_CHOICE] = "one of",    [FIELD_LIST] = "list",
    };

    fputs(names[field->type], stdout);
    if (field->choice != NULL)
        for (size_t i = 0; i < field->choice->count; i++)
            printf("%s%s", i == 0 ? " " : ", ", field->choice->values[i].text);
    if (field->type == FIELD_TEXT && field->limit > 0)
        printf(", at most %" PRId64 " bytes", field->limit);
    puts((field->flags & REQUIRED) != 0 ? "; required." : ".");
}

static void put_operation(const struct op_row *op)
{
    printf(".Ss %s\n", op->name);
    put_sentence(op->help);
    fputs(op->roles == 0 ? "For everybody" : "For", stdout);
    for (size_t i = 0, told = 0; i < role_count; i++)
        if ((op->roles & (uint32_t)role_rows[i].role) != 0)
            printf("%s%s", told++ == 0 ? " " : ", ", role_rows[i].name);
    puts(".");
    if (op->request->count == 0)
        return;
    puts(".Bl -tag -width Ds");
    for (size_t i = 0; i < op->request->count; i++) {
        const struct field_desc *field = &op->request->fields[i];

        printf(".It Ar %s\n", field->name);
        put_sentence(field->help);
        put_type(field);
    }
    puts(".El");
}

static void put_key(const char *name, const char *keys, const char *arguments, const char *help)
{
    printf(".It Ic %s", name);
    if (arguments[0] != '\0')
        printf(" Ar \"%s\"", arguments);
    puts("");
    put_sentence(help);
    if (keys[0] == '\0')
        return;
    puts("Keys:");
    put_line(keys);
}

static void put_errors(void)
{
    puts(".Bl -tag -width Ds");
    for (int err = ERR_none + 1; err < ERR_count; err++) {
        printf(".It Er %s Pq %s\n", err_name((enum err)err),
               err_class_name(err_class((enum err)err)));
        put_sentence(err_what((enum err)err));
        put_sentence(err_next((enum err)err));
    }
    puts(".El");
}

static void put_keys(void)
{
    puts(".Bl -tag -width Ds");
#define ACTION(name, keys, places, op, flags, label, arguments, help) \
    put_key(#name, keys, arguments, help);
#include "bankterm/actions.def"
#undef ACTION
    puts(".El");
}

static void print_bankterm_page(void)
{
    put_head("BANKTERM", "1", "bankterm", "console of the bank");
    puts(".Sh SYNOPSIS\n.Nm\n.Op Ar options\n.Nm\n.Cm run\n.Ar operation\n"
         ".Op Ar field Ns = Ns Ar value ...\n.Op Ar options\n"
         ".Nm\n.Cm run Fl \\-list\n"
         ".Sh DESCRIPTION\n.Nm\nis the terminal of the bank's staff.\n"
         "Without an operation it opens the console; with\n.Cm run\n"
         "it does one operation without a screen: data goes to the standard output,"
         " talk to the standard error, and the exit code tells the class of an error.\n.Pp\n"
         "A remote server is reached by\n.Li tcp://\nand is known by its public key, which\n"
         ".Xr bankd 8\nwrote when the bank was made;\n.Li ipc://\nreaches one on this machine.\n"
         ".Sh OPTIONS");
    put_options(bankterm_rows, ARRAY_COUNT(bankterm_rows), "BANKTERM", true);
    puts(".Sh KEYS\nEvery action, its keys, and what the palette (\n.Ql \\&:\n) calls it.");
    put_keys();
    puts(".Sh OPERATIONS\n"
         "Each is followed by who may use it and by its fields.\nAmounts are plain decimals,"
         " times ISO 8601 in UTC.");
    for (size_t i = 0; i < OP_INDEX_count; i++)
        put_operation(&op_rows[i]);
    puts(".Sh EXIT STATUS");
    put_exit_codes();
    puts(".Sh ERROR NAMES\nEvery error has a name and a class.");
    put_errors();
    puts(".Sh SEE ALSO\n.Xr bankd 8");
}

/* --- bankd(8) and bankd.conf(5) ------------------------------------------------------------ */

static void print_bankd_page(void)
{
    put_head("BANKD", "8", "bankd", "bank ledger with fraud screening");
    puts(".Sh SYNOPSIS");
    for (size_t i = 0; i < ARRAY_COUNT(commands); i++) {
        printf(".Nm\n.Cm %s\n", commands[i].name);
        if (commands[i].arguments[0] != '\0')
            put_line(commands[i].arguments);
        puts(".Op Ar options");
    }
    puts(".Sh DESCRIPTION\n.Nm\nkeeps the accounts of a bank:"
         " it judges, posts and records every movement of money in one durable step,"
         " and tells the consoles\n.Pq Xr bankterm 1\nwhat happens.\n"
         "Its data lives in one directory.\n"
         ".Sh COMMANDS\n.Bl -tag -width Ds");
    for (size_t i = 0; i < ARRAY_COUNT(commands); i++) {
        printf(".It Cm %s\n", commands[i].name);
        put_sentence(commands[i].help);
    }
    puts(".El\n.Sh OPTIONS\nEvery option is also an environment variable and a line of\n"
         ".Xr bankd.conf 5 ;\nthe command line is stronger than the environment,"
         " and that is stronger than the file.");
    put_options(bankd_rows, ARRAY_COUNT(bankd_rows), "BANKD", true);
    puts(".Sh SIGNALS\n.Dv SIGTERM\nand\n.Dv SIGINT\nend\n.Nm\n"
         "cleanly: nothing new is taken, what was taken is finished and answered.\n"
         ".Sh EXIT STATUS");
    put_exit_codes();
    puts(".Sh SEE ALSO\n.Xr bankterm 1 ,\n.Xr bankd.conf 5");
}

static void print_conf_page(void)
{
    put_head("BANKD.CONF", "5", "bankd.conf", "settings of bankd");
    puts(".Sh DESCRIPTION\nLines of the form\n.Ql key = value ;\nempty lines and lines that"
         " begin with\n.Ql #\nare comments.\nAn unknown key is an error.\n"
         "The same settings can be given in the environment, which is stronger,"
         " and as options of\n.Xr bankd 8 ,\nwhich are the strongest.\n.Pp\n"
         ".Ql bankd config\nshows every setting, where it comes from and what it means;\n"
         ".Ql bankd config \\-\\-example\nprints a file with all of them.\n.Sh SETTINGS");
    put_options(bankd_rows, ARRAY_COUNT(bankd_rows), "BANKD", false);
    puts(".Sh SEE ALSO\n.Xr bankd 8");
}

/* --- shell completion ---------------------------------------------------------------------- */

/* bash splits words at the equals sign, so "key=value" arrives as three words; both completions
 * begin by finding the key that a value is being typed for. */
static const char completion_start[] =
    "{\n"
    "    local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]:-} key=\n"
    "    COMPREPLY=()\n"
    "    if [[ $current == = ]]; then\n"
    "        key=$before current=\n"
    "    elif [[ $before == = && $COMP_CWORD -ge 2 ]]; then\n"
    "        key=${COMP_WORDS[COMP_CWORD-2]}\n"
    "    elif [[ $before == --* ]]; then\n"
    "        key=$before\n"
    "    fi\n"
    "    case $key in\n";

static const char completion_first_word[] =
    "    local command= word\n"
    "    for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
    "        case \" $commands \" in *\" $word \"*) command=$word; break ;; esac\n"
    "    done\n";

static void put_words(const char *words, const char *separators)
{
    for (const char *at = words; *at != '\0'; at++)
        putchar(strchr(separators, *at) != NULL ? ' ' : *at);
}

static void put_value_cases(const struct conf_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char flag[FLAG_MAX];

        flag_of(rows[i].key, flag);
        if (rows[i].type == CONF_CHOICE) {
            printf("    --%s) COMPREPLY=($(compgen -W \"", flag);
            put_words(rows[i].choices, "|");
            puts("\" -- \"$current\")); return ;;");
        } else if (rows[i].type == CONF_PATH) {
            printf("    --%s) COMPREPLY=($(compgen -f -- \"$current\")); return ;;\n", flag);
        } else if (rows[i].type != CONF_BOOL) {
            printf("    --%s) return ;;\n", flag);
        }
    }
}

static void put_flags(const struct conf_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char flag[FLAG_MAX];

        printf(" --%s", flag_of(rows[i].key, flag));
    }
}

/* The words of a command's arguments: its flags ("--dry-run"), or those that stand alone, such as
 * the choices of "add|list". Names in capitals stand for values. */
static void put_argument_words(const char *arguments, bool flags)
{
    const char *separators = " []|";

    for (const char *at = arguments; *at != '\0';) {
        size_t n = strcspn(at, separators);
        bool   is_flag = n > 2 && at[0] == '-';

        if (n > 0 && is_flag == flags && !(at[0] >= 'A' && at[0] <= 'Z'))
            printf(" %.*s", (int)n, at);
        at += n;
        at += *at != '\0' ? 1 : 0;
    }
}

static void put_command_cases(void)
{
    for (size_t i = 0; i < ARRAY_COUNT(commands); i++) {
        printf("    %s) flags=\"", commands[i].name);
        put_argument_words(commands[i].arguments, true);
        fputs("\" words=\"", stdout);
        put_argument_words(commands[i].arguments, false);
        puts(strncmp(commands[i].arguments, "FILE", 4) == 0 ? "\" files=yes ;;" : "\" ;;");
    }
}

static void print_bankd_completion(void)
{
    fputs("# Completion of bankd for bash, printed from the tables of the source tree.\n"
          "_bankd()\n", stdout);
    fputs(completion_start, stdout);
    put_value_cases(bankd_rows, ARRAY_COUNT(bankd_rows));
    fputs("    --map | --rejects | --password-file)\n"
          "        COMPREPLY=($(compgen -f -- \"$current\")); return ;;\n"
          "    --name) return ;;\n"
          "    --get) COMPREPLY=($(compgen -W \"",
          stdout);
    for (size_t i = 0; i < ARRAY_COUNT(bankd_rows); i++)
        printf("%s%s", i > 0 ? " " : "", bankd_rows[i].key);
    fputs("\" -- \"$current\")); return ;;\n"
          "    --role) COMPREPLY=($(compgen -W \"", stdout);
    for (size_t i = 0; i < role_count; i++)
        printf("%s%s", i > 0 ? " " : "", role_rows[i].name);
    fputs("\" -- \"$current\")); return ;;\n    esac\n    local commands=\"", stdout);
    for (size_t i = 0; i < ARRAY_COUNT(commands); i++)
        printf("%s%s", i > 0 ? " " : "", commands[i].name);
    puts("\"");
    fputs(completion_first_word, stdout);
    puts("    local flags= words= files=no\n    case $command in");
    put_command_cases();
    fputs("    '') words=$commands ;;\n    esac\n    flags+=\" --help", stdout);
    put_flags(bankd_rows, ARRAY_COUNT(bankd_rows));
    puts("\"\n"
         "    if [[ $current == -* ]]; then\n"
         "        COMPREPLY=($(compgen -W \"$flags\" -- \"$current\"))\n"
         "    elif [[ $files == yes ]]; then\n"
         "        COMPREPLY=($(compgen -f -- \"$current\"))\n"
         "    else\n"
         "        COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
         "    fi\n"
         "}\n"
         "complete -F _bankd bankd");
}

static void put_operation_cases(void)
{
    for (size_t i = 0; i < OP_INDEX_count; i++) {
        const struct message_desc *request = op_rows[i].request;

        if (request->count == 0)
            continue;
        printf("    %s) fields=\"", op_rows[i].name);
        for (size_t j = 0; j < request->count; j++)
            printf("%s%s=", j > 0 ? " " : "", request->fields[j].name);
        puts("\" ;;");
    }
}

/* A word that several operations take under one name means the same everywhere, so that the
 * values depend on the operation and the field together. */
static void put_choice_cases(void)
{
    for (size_t i = 0; i < OP_INDEX_count; i++) {
        for (size_t j = 0; j < op_rows[i].request->count; j++) {
            const struct field_desc *field = &op_rows[i].request->fields[j];

            if (field->choice == NULL && field->type != FIELD_BOOL)
                continue;
            printf("    %s/%s) values=\"", op_rows[i].name, field->name);
            if (field->choice == NULL)
                fputs("true false", stdout);
            else
                for (size_t k = 0; k < field->choice->count; k++)
                    printf("%s%s", k > 0 ? " " : "", field->choice->values[k].text);
            puts("\" ;;");
        }
    }
}

static void print_bankterm_completion(void)
{
    fputs("# Completion of bankterm for bash, printed from the tables of the source tree.\n"
          "_bankterm()\n", stdout);
    fputs(completion_start, stdout);
    put_value_cases(bankterm_rows, ARRAY_COUNT(bankterm_rows));
    fputs("    esac\n    local commands=\"", stdout);
    for (size_t i = 0; i < OP_INDEX_count; i++)
        printf("%s%s", i > 0 ? " " : "", op_rows[i].name);
    puts("\"");
    fputs(completion_first_word, stdout);
    puts("    local fields= values=\n    case $command/$key in");
    put_choice_cases();
    puts("    esac\n"
         "    if [[ -n $values ]]; then\n"
         "        COMPREPLY=($(compgen -W \"$values\" -- \"$current\"))\n"
         "        return\n"
         "    fi\n"
         "    case $command in");
    put_operation_cases();
    puts("    esac");
    fputs("    if [[ $current == -* ]]; then\n        COMPREPLY=($(compgen -W \"--help", stdout);
    put_flags(bankterm_rows, ARRAY_COUNT(bankterm_rows));
    puts("\" -- \"$current\"))\n"
         "    elif [[ -n $command ]]; then\n"
         "        COMPREPLY=($(compgen -W \"$fields\" -- \"$current\"))\n"
         "        [[ ${COMPREPLY[*]} != *= ]] || compopt -o nospace 2>/dev/null\n"
         "    elif [[ \" ${COMP_WORDS[*]} \" == *\" run \"* ]]; then\n"
         "        COMPREPLY=($(compgen -W \"$commands\" -- \"$current\"))\n"
         "    else\n"
         "        COMPREPLY=($(compgen -W run -- \"$current\"))\n"
         "    fi\n"
         "}\n"
         "complete -F _bankterm bankterm");
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*print)(void);
    } outputs[] = {
        { "bankd.8", print_bankd_page },
        { "bankd.conf.5", print_conf_page },
        { "bankterm.1", print_bankterm_page },
        { "bankd.bash", print_bankd_completion },
        { "bankterm.bash", print_bankterm_completion },
    };

    for (size_t i = 0; argc == 2 && i < ARRAY_COUNT(outputs); i++) {
        if (strcmp(argv[1], outputs[i].name) == 0) {
            outputs[i].print();
            return fflush(stdout) == 0 && !ferror(stdout) ? 0 : 1;
        }
    }
    fprintf(stderr, "usage: gen-docs bankd.8|bankd.conf.5|bankterm.1|bankd.bash|bankterm.bash\n");
    return ERR_CLASS_INPUT;
}
