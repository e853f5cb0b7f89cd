/* Errors as values: one list (errors.def), one type, one way to say more.
 *
 * Every fallible function returns `enum err`; ERR_none (0) means done. A function that can tell
 * the user more than the list's sentence fills a `struct fault` that its caller owns.
 * TRY passes an error up in code that owns nothing; where something must be released, use
 * `goto out`. Programmer errors are not values: see check.h. */
#ifndef COMMON_ERR_H
#define COMMON_ERR_H

#include <stdbool.h>
#include <stdint.h>

enum err {
    ERR_none = 0,
#define ERR(name, class, what, next) ERR_##name,
#include "common/errors.def"
#undef ERR
    ERR_count
};

/* What the client's user must conclude, and bankterm's exit code. */
enum err_class {
    ERR_CLASS_NONE = 0,     /* done */
    ERR_CLASS_INTERNAL = 1, /* nothing changed; an operator must look */
    ERR_CLASS_INPUT = 2,    /* nothing changed; the request must be corrected */
    ERR_CLASS_DENIED = 3,   /* nothing changed; somebody else may */
    ERR_CLASS_CONFLICT = 4, /* nothing changed; the books do not allow it */
    ERR_CLASS_AWAY = 5,     /* nothing changed as far as the server tells; try again */
    ERR_CLASS_UNKNOWN = 6,  /* may or may not have happened; look it up */
};

#define ERR_MUST_USE __attribute__((warn_unused_result))

#define TRY(expression)                                                                            \
    do {                                                                                           \
        enum err try_err_ = (expression);                                                          \
        if (try_err_ != ERR_none)                                                                  \
            return try_err_;                                                                       \
    } while (0)

enum { FAULT_FIELD_MAX = 48, FAULT_TEXT_MAX = 240 };

/* The particulars of one error. `text` is a whole sentence for the user or empty; `field` names
 * the field of the request or the column of the file that is wrong, or is empty. */
struct fault {
    enum err err;
    char     field[FAULT_FIELD_MAX];
    char     text[FAULT_TEXT_MAX];
    int64_t  retry_after_ms; /* 0 = no advice */
};

/* Records err with an optional field and a printf text; returns err, so that a guard reads
 * `return fault_set(fault, ERR_x, "field", "...")`. fault and field may be NULL; the arguments may
 * point into the fault itself. What is kept is cut to fit and always good UTF-8 without control
 * characters: other bytes become '?'. */
enum err fault_set(struct fault *fault, enum err err, const char *field, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Whether this errno says that a file cannot have more room: of the disk, of its owner's quota, or
 * of what the process may write (ulimit -f). */
bool err_no_room(int error);

const char    *err_name(enum err err); /* "insufficient_funds"; "none" for 0 */
const char    *err_what(enum err err); /* what happened, without a full stop */
const char    *err_next(enum err err); /* what to do next */
enum err_class err_class(enum err err);
const char    *err_class_name(enum err_class class);    /* "input", "denied", ... */
const char    *err_class_promise(enum err_class class); /* what was not done */
enum err       err_from_name(const char *name);         /* ERR_internal when unknown */

#endif
