/* The texts of errors.def as tables, and the one way to record the particulars of an error.
 *
 * A fault's text travels over the wire and onto terminals, and it may quote what a stranger
 * sent. So fault_set leaves nothing in it but well-formed UTF-8 without control characters,
 * whatever its arguments held and wherever the text was cut. */
#include "common/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/check.h"

struct err_row {
    const char *name;
    enum err_class class;
    const char *what;
    const char *next;
};

static const struct err_row err_rows[] = {
    [ERR_none] = { "none", ERR_CLASS_NONE, "Done", "Nothing is left to do" },
#define ERR(name, class, what, next) [ERR_##name] = { #name, ERR_CLASS_##class, what, next },
#include "common/errors.def"
#undef ERR
};

struct class_row {
    const char *name;
    const char *promise;
};

static const struct class_row class_rows[] = {
    [ERR_CLASS_NONE] = { "done", "Everything asked for was done" },
    [ERR_CLASS_INTERNAL] = { "internal", "Nothing was changed" },
    [ERR_CLASS_INPUT] = { "input", "Nothing was changed" },
    [ERR_CLASS_DENIED] = { "denied", "Nothing was changed" },
    [ERR_CLASS_CONFLICT] = { "conflict", "Nothing was changed" },
    [ERR_CLASS_AWAY] = { "away", "Nothing was changed as far as can be told" },
    [ERR_CLASS_UNKNOWN] = { "unknown", "It may or may not have been done" },
};

static const struct err_row *err_row_of(enum err err)
{
    CHECK((unsigned)err < ERR_count);
    return &err_rows[err];
}

static const struct class_row *class_row_of(enum err_class class)
{
    CHECK((size_t) class < ARRAY_COUNT(class_rows));
    return &class_rows[class];
}

/* Copies what is good of `raw`; each byte that is not part of a printable character becomes '?'. */
static void text_clean(const char *raw, char *out, size_t size)
{
    struct slice rest = slice_from(raw);
    size_t       used = 0;

    while (rest.n > 0) {
        uint32_t code = 0;
        size_t   n = slice_char(rest, &code);
        bool     good = n > 0 && !char_is_control(code);

        n = n > 0 ? n : 1;
        if (used + (good ? n : 1) >= size)
            break;
        if (good) {
            memmove(out + used, rest.at, n); /* out may be raw itself */
            used += n;
        } else {
            out[used++] = '?';
        }
        rest = slice_of(rest.at + n, rest.n - n);
    }
    out[used] = '\0';
}

enum err fault_set(struct fault *fault, enum err err, const char *field, const char *format, ...)
{
    char    raw[FAULT_TEXT_MAX + 4]; /* room for a whole character past the cut */
    va_list arguments;

    if (fault == NULL)
        return err;
    raw[0] = '\0';
    if (format != NULL) {
        va_start(arguments, format);
        if (vsnprintf(raw, sizeof raw, format, arguments) < 0)
            raw[0] = '\0';
        va_end(arguments);
    }
    fault->err = err;
    fault->retry_after_ms = 0;
    text_clean(field != NULL ? field : "", fault->field, sizeof fault->field);
    text_clean(raw, fault->text, sizeof fault->text);
    return err;
}

bool err_no_room(int error)
{
    return error == ENOSPC || error == EDQUOT || error == EFBIG;
}

const char *err_name(enum err err)
{
    return err_row_of(err)->name;
}

const char *err_what(enum err err)
{
    return err_row_of(err)->what;
}

const char *err_next(enum err err)
{
    return err_row_of(err)->next;
}

enum err_class err_class(enum err err)
{
    return err_row_of(err)->class;
}

const char *err_class_name(enum err_class class)
{
    return class_row_of(class)->name;
}

const char *err_class_promise(enum err_class class)
{
    return class_row_of(class)->promise;
}

enum err err_from_name(const char *name)
{
    for (size_t i = 0; i < ARRAY_COUNT(err_rows); i++)
        if (strcmp(err_rows[i].name, name) == 0)
            return (enum err)i;
    return ERR_internal;
}
