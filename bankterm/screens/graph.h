/* Who is connected with an account, as a small tree of text. */
#ifndef BANKTERM_SCREENS_GRAPH_H
#define BANKTERM_SCREENS_GRAPH_H

#include "bankterm/canvas.h"
#include "proto/proto.h"

/* Returns the lines used. */
int graph_draw(const struct msg_graph *graph, struct canvas *canvas, struct rect rect);

#endif
