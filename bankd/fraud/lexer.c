/* Cuts a rule file into words, constants, texts and signs.
 *
 * The text is checked first to be UTF-8 without control characters but line ends and tabs. Numbers
 * carry their unit in the file and lose it here: % times 100 (basis points), s m h d into seconds,
 * and two decimals make money. */
#include "bankd/fraud/lexer.h"

#include <string.h>

#include "common/money.h"

void lexer_init(struct lexer *lexer, struct slice text)
{
    *lexer = (struct lexer){ .rest = text, .line = 1, .column = 1 };
}

static char peek(const struct lexer *lexer, size_t ahead)
{
    return ahead < lexer->rest.n ? lexer->rest.at[ahead] : '\0';
}

static void step(struct lexer *lexer, size_t bytes)
{
    for (size_t i = 0; i < bytes && lexer->rest.n > 0; i++) {
        unsigned char byte = (unsigned char)lexer->rest.at[0];

        if (byte == '\n') {
            lexer->line++;
            lexer->column = 1;
        } else if ((byte & 0xc0) != 0x80) {
            lexer->column++;
        }
        lexer->rest = slice_of(lexer->rest.at + 1, lexer->rest.n - 1);
    }
}

static const char *bad_char(struct slice rest, size_t *n)
{
    uint32_t code = 0;

    *n = slice_char(rest, &code);
    if (*n == 0)
        return "this is not text in UTF-8";
    if (code == '\r' && rest.n > 1 && rest.at[1] == '\n')
        return NULL;
    if (code == '\r')
        return "a carriage return stands only at a line's end";
    if (code == 0)
        return "a NUL byte cannot stand in this file";
    return char_is_control(code) && code != '\n' && code != '\t'
               ? "a control character cannot stand in this file"
               : NULL;
}

bool lexer_find_bad(struct slice text, struct token *at)
{
    struct lexer lexer;

    lexer_init(&lexer, text);
    *at = (struct token){ .kind = TOKEN_BAD, .line = 1, .column = 1 };
    if (text.n >= 3 && memcmp(text.at, "\xef\xbb\xbf", 3) == 0)
        at->error = "the file begins with a byte order mark; save it as UTF-8 without one";
    while (at->error == NULL && lexer.rest.n > 0) {
        size_t n = 0;

        at->line = lexer.line;
        at->column = lexer.column;
        at->error = bad_char(lexer.rest, &n);
        step(&lexer, n);
    }
    return at->error != NULL;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static void skip_blanks(struct lexer *lexer)
{
    while (lexer->rest.n > 0) {
        char c = peek(lexer, 0);

        if (c == '#')
            while (lexer->rest.n > 0 && peek(lexer, 0) != '\n')
                step(lexer, 1);
        else if (c == ' ' || c == '\t' || c == '\n' || c == '\r')
            step(lexer, 1);
        else
            return;
    }
}

static void take(struct lexer *lexer, struct token *token, enum token_kind kind, size_t n)
{
    token->kind = kind;
    token->text = slice_of(lexer->rest.at, n);
    step(lexer, n);
}

static void fail(struct lexer *lexer, struct token *token, const char *error, size_t n)
{
    take(lexer, token, TOKEN_BAD, n);
    token->error = error;
}

/* Digits into `value`; false when they do not fit. */
static bool digits_value(struct slice digits, int64_t *value)
{
    *value = 0;
    for (size_t i = 0; i < digits.n; i++)
        if (!money_mul(*value, 10, value) || !money_add(*value, digits.at[i] - '0', value))
            return false;
    return true;
}

static int64_t unit_seconds(char unit)
{
    return unit == 's' ? 1 : unit == 'm' ? 60 : unit == 'h' ? 3600 : unit == 'd' ? 86400 : 0;
}

static void lex_money(struct lexer *lexer, struct token *token, size_t whole)
{
    int64_t cents;
    size_t  n = whole + 1;

    while (is_digit(peek(lexer, n)))
        n++;
    if (n != whole + 3 || is_letter(peek(lexer, n))) {
        fail(lexer, token, "an amount of money has two decimals, like 49.90", n);
        return;
    }
    cents = (peek(lexer, whole + 1) - '0') * 10 + (peek(lexer, whole + 2) - '0');
    if (!digits_value(slice_of(lexer->rest.at, whole), &token->value) ||
        !money_mul(token->value, 100, &token->value) ||
        !money_add(token->value, cents, &token->value)) {
        fail(lexer, token, "the number is too large", n);
        return;
    }
    take(lexer, token, TOKEN_MONEY, n);
}

static void lex_number(struct lexer *lexer, struct token *token)
{
    size_t  n = 0;
    int64_t scale = 1;

    while (is_digit(peek(lexer, n)))
        n++;
    if (peek(lexer, n) == '.') {
        lex_money(lexer, token, n);
        return;
    }
    if (!digits_value(slice_of(lexer->rest.at, n), &token->value)) {
        fail(lexer, token, "the number is too large", n);
        return;
    }
    if (peek(lexer, n) == '%') {
        scale = 100;
        token->scale = '%';
        n++;
    } else if (is_letter(peek(lexer, n))) {
        scale = unit_seconds(peek(lexer, n));
        token->scale = peek(lexer, n);
        n++;
    }
    if (scale == 0 || is_letter(peek(lexer, n)) || is_digit(peek(lexer, n)))
        fail(lexer, token, "a number may be followed by % or by one of s, m, h and d", n);
    else if (!money_mul(token->value, scale, &token->value))
        fail(lexer, token, "the number is too large", n);
    else
        take(lexer, token, TOKEN_NUMBER, n);
}

static void lex_text(struct lexer *lexer, struct token *token)
{
    size_t n = 1;

    while (n < lexer->rest.n && lexer->rest.at[n] != '"' && lexer->rest.at[n] != '\n')
        n++;
    if (peek(lexer, n) != '"') {
        fail(lexer, token, "the text does not end in its line; it needs a closing \"", 1);
        return;
    }
    take(lexer, token, TOKEN_TEXT, n + 1);
    token->text = slice_of(token->text.at + 1, n - 1);
}

/* Signs of other languages; none of them can stand in a right rule. The longer ones come first. */
static bool fail_foreign(struct lexer *lexer, struct token *token)
{
    static const struct {
        const char *text;
        const char *error;
    } foreign[] = {
        { "<>", "this sign has no meaning here; did you mean `!=`?" },
        { "=>", "this sign has no meaning here; did you mean `>=`?" },
        { "=<", "this sign has no meaning here; did you mean `<=`?" },
        { "&&", "this sign has no meaning here; did you mean `and`?" },
        { "||", "this sign has no meaning here; did you mean `or`?" },
        { "&", "this sign has no meaning here; did you mean `and`?" },
        { "|", "this sign has no meaning here; did you mean `or`?" },
        { "!", "this sign has no meaning here; did you mean `not`?" },
    };

    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++) {
        size_t n = strlen(foreign[i].text);

        if (lexer->rest.n < n || memcmp(lexer->rest.at, foreign[i].text, n) != 0)
            continue;
        fail(lexer, token, foreign[i].error, n);
        return true;
    }
    return false;
}

static void lex_symbol(struct lexer *lexer, struct token *token)
{
    char c = peek(lexer, 0);
    bool longer = peek(lexer, 1) == '=';

    if (c == '!' && longer)
        take(lexer, token, TOKEN_SYMBOL, 2);
    else if (fail_foreign(lexer, token))
        return;
    else if (strchr("<>=", c) != NULL)
        take(lexer, token, TOKEN_SYMBOL, longer ? 2 : 1);
    else if (strchr("+-*/(),", c) != NULL)
        take(lexer, token, TOKEN_SYMBOL, 1);
    else
        fail(lexer, token, "this sign has no meaning here", 1);
}

static struct token lex(struct lexer *lexer, bool hyphens)
{
    struct token token = { .kind = TOKEN_END };
    char         c;

    skip_blanks(lexer);
    token.line = lexer->line;
    token.column = lexer->column;
    if (lexer->rest.n == 0)
        return token;
    c = peek(lexer, 0);
    if (is_letter(c)) {
        size_t n = 1;

        while (is_letter(peek(lexer, n)) || is_digit(peek(lexer, n)) ||
               (hyphens && peek(lexer, n) == '-'))
            n++;
        take(lexer, &token, TOKEN_WORD, n);
    } else if (is_digit(c)) {
        lex_number(lexer, &token);
    } else if (c == '"') {
        lex_text(lexer, &token);
    } else {
        lex_symbol(lexer, &token);
    }
    return token;
}

struct token lexer_next(struct lexer *lexer)
{
    return lex(lexer, false);
}

struct token lexer_next_name(struct lexer *lexer)
{
    return lex(lexer, true);
}
