/* The canvas as text, for tests: what a person would see, without a terminal. */
#ifndef BANKTERM_TERM_DUMP_H
#define BANKTERM_TERM_DUMP_H

#include "bankterm/canvas.h"
#include "common/buf.h"

/* A line a row without blanks at its end; then "cursor X,Y" or "cursor none". */
ERR_MUST_USE enum err term_dump(const struct canvas *canvas, struct buf *out);

#endif
