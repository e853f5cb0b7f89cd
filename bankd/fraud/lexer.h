/* Words of a rule file, one after the other, with their places; private to this folder.
 *
 * A lexer only borrows the text. A token that is no good has kind TOKEN_BAD, and `error` says
 * why; the parser tells it like its own errors. */
#ifndef BANKD_FRAUD_LEXER_H
#define BANKD_FRAUD_LEXER_H

#include "common/buf.h"

#include <stdbool.h>
#include <stdint.h>

enum token_kind {
    TOKEN_END,    /* of the file */
    TOKEN_WORD,   /* letters, digits and _ */
    TOKEN_NUMBER, /* `value`, a plain or scaled constant */
    TOKEN_MONEY,  /* `value` in hundredths of a currency unit */
    TOKEN_TEXT,   /* in quotes; `text` is what stands between them */
    TOKEN_SYMBOL, /* one of + - * / ( ) , = == != < <= > >= */
    TOKEN_BAD
};

struct token {
    enum token_kind kind;
    struct slice    text;
    int64_t         value;
    char            scale; /* of a number: '%', one of s m h d, or NUL */
    uint32_t        line;
    uint32_t        column; /* in characters, from 1 */
    const char     *error;
};

struct lexer {
    struct slice rest;
    uint32_t     line;
    uint32_t     column;
};

/* Finds the first thing that cannot stand in such a file at all; false when there is none. A line
 * may end with a carriage return too. */
bool         lexer_find_bad(struct slice text, struct token *at);
void         lexer_init(struct lexer *lexer, struct slice text);
struct token lexer_next(struct lexer *lexer);
/* A word in which a hyphen may stand, as in the names of tags. */
struct token lexer_next_name(struct lexer *lexer);

#endif
