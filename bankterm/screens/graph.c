/* The account is the root. Below it stand those it pays and is paid by, and below each of them
 * those who share it with the account. Somebody who shares several stands once, under the first,
 * and says with how many; so the tree has as many lines as there are nodes. */
#include "bankterm/screens/graph.h"

#include "bankterm/show.h"
#include "common/clock.h"

#include <inttypes.h>
#include <stdio.h>

enum { ROOT = 1, INDENT = 4, NAME_LEAST = 16 };

static const struct msg_graph_edge *find_edge(const struct msg_graph *graph, int64_t from,
                                              int64_t to)
{
    for (size_t i = 0; i < graph->edges.count; i++) {
        const struct msg_graph_edge *edge = &graph->edges.at[i];
        if (edge->from == from && edge->to == to)
            return edge;
    }
    return NULL;
}

static bool joined(const struct msg_graph *graph, int64_t a, int64_t b)
{
    return find_edge(graph, a, b) != NULL || find_edge(graph, b, a) != NULL;
}

/* The first node of the level above that the node has payments with. */
static int64_t parent_of(const struct msg_graph *graph, const struct msg_graph_node *node)
{
    for (size_t i = 0; i < graph->nodes.count; i++) {
        const struct msg_graph_node *other = &graph->nodes.at[i];
        if (other->level == node->level - 1 && joined(graph, other->node, node->node))
            return other->node;
    }
    return ROOT;
}

/* "> 3 x 1,200.00", of what was not stopped, "> 2 stopped", or both: "> 3 x 1,200.00 + 2 stopped".
 */
static size_t edge_text(const struct msg_graph *graph, const struct msg_graph_edge *edge,
                        char direction, char *out, size_t size)
{
    struct slice currency = MSG_HAS(edge, graph_edge, currency) ? edge->currency : graph->currency;
    int64_t      moved = edge->count - edge->stopped;
    size_t       n = (size_t)snprintf(out, size, "%c", direction);
    char         sum[64];

    if (moved > 0 && n < size) {
        show_short_sum(edge->amount, currency, sum, sizeof sum);
        n += (size_t)snprintf(out + n, size - n, " %" PRId64 " x %s", moved, sum);
    }
    if (edge->stopped > 0 && n < size)
        n += (size_t)snprintf(out + n, size - n, "%s %" PRId64 " stopped", moved > 0 ? " +" : "",
                              edge->stopped);
    return n;
}

/* "> 3 x 1,200.00, < 1 x 90.00": what the one above pays it, and what it pays back. */
static void money_text(const struct msg_graph *graph, int64_t above, int64_t node, char *out,
                       size_t size)
{
    const struct msg_graph_edge *edges[] = { find_edge(graph, above, node),
                                             find_edge(graph, node, above) };
    size_t                       n = 0;
    out[0] = '\0';
    for (int i = 0; i < 2; i++) {
        if (edges[i] == NULL || n >= size)
            continue;
        n += (size_t)snprintf(out + n, size - n, "%s", n > 0 ? ", " : "");
        if (n < size)
            n += edge_text(graph, edges[i], i == 0 ? '>' : '<', out + n, size - n);
    }
}

/* What speaks for or against it: "! 50.00% fraud of 4", "3 alerts", "shares 2". */
static enum style note_text(const struct msg_graph_node *node, char *out, size_t size)
{
    char   share[24];
    size_t n = 0;
    bool   fraud = node->frauds > 0;
    out[0] = '\0';
    if (fraud)
        n += (size_t)snprintf(out, size, "! %s fraud of %" PRId64,
                              show_share(node->fraud_bp, share, sizeof share), node->findings);
    if (MSG_HAS(node, graph_node, alerts) && node->alerts > 0 && n < size)
        n += (size_t)snprintf(out + n, size - n, "%s%" PRId64 " alert%s", n > 0 ? ", " : "",
                              node->alerts, node->alerts == 1 ? "" : "s");
    if (node->level == 2 && node->shared > 1 && n < size)
        snprintf(out + n, size - n, "%sshares %" PRId64, n > 0 ? ", " : "", node->shared);
    return fraud ? STYLE_BAD : STYLE_DIM;
}

static void draw_node(const struct msg_graph *graph, const struct msg_graph_node *node,
                      int64_t above, struct canvas *canvas, struct rect line, bool last)
{
    char       text[96];
    int        x = line.x + ((int)node->level - 1) * INDENT;
    int        end = line.x + line.w;
    int        name = line.w / 2 - ((int)node->level - 1) * INDENT - 3;
    enum style style = node->frauds > 0 ? STYLE_BAD : STYLE_TEXT;
    if (name < NAME_LEAST)
        name = NAME_LEAST;
    canvas_glyph(canvas, x, line.y, STYLE_RULE, last ? GLYPH_BOTTOM_LEFT : GLYPH_BRANCH);
    canvas_glyph(canvas, x + 1, line.y, STYLE_RULE, GLYPH_HLINE);
    canvas_text(canvas, x + 3, line.y, name, style, node->name);
    x += 3 + name + 1;
    money_text(graph, above, node->node, text, sizeof text);
    x += canvas_string(canvas, x, line.y, end - x, STYLE_VALUE, text) + 2;
    style = note_text(node, text, sizeof text);
    canvas_string(canvas, x, line.y, end - x, style, text);
}

/* The nodes of the second level below one of the first. */
static int draw_below(const struct msg_graph *graph, int64_t above, struct canvas *canvas,
                      struct rect rect, bool last_above)
{
    const struct msg_graph_node *mine[LIMIT_GRAPH_NODES_MAX];
    int                          count = 0;
    for (size_t i = 0; i < graph->nodes.count; i++) {
        const struct msg_graph_node *node = &graph->nodes.at[i];
        if (node->level == 2 && parent_of(graph, node) == above)
            mine[count++] = node;
    }
    for (int i = 0; i < count; i++) {
        struct rect line = { rect.x, rect.y + i, rect.w, 1 };
        if (!last_above)
            canvas_glyph(canvas, line.x, line.y, STYLE_RULE, GLYPH_VLINE);
        draw_node(graph, mine[i], above, canvas, line, i + 1 == count);
    }
    return count;
}

static struct slice node_name(const struct msg_graph *graph, int64_t number, bool known)
{
    for (size_t i = 0; known && i < graph->nodes.count; i++) {
        if (graph->nodes.at[i].node == number)
            return graph->nodes.at[i].name;
    }
    return slice_from("somebody else");
}

/* "came 2026-11-21 02:10  3,000.00 from A", "went on after 40 min  2,950.00 to B". */
static int draw_chain(const struct msg_graph *graph, const struct msg_graph_chain *chain,
                      struct canvas *canvas, struct rect rect)
{
    char         sum[64];
    char         when[32];
    struct slice from = node_name(graph, chain->from, MSG_HAS(chain, graph_chain, from));
    struct slice to = node_name(graph, chain->to, MSG_HAS(chain, graph_chain, to));
    show_sum(chain->in_amount, graph->currency, sum, sizeof sum);
    canvas_print(canvas, rect.x, rect.y, rect.w, STYLE_WARN, "! %s: %s from %.*s",
                 show_minute(chain->in_at, when, sizeof when), sum, (int)from.n, from.at);
    show_sum(chain->out_amount, graph->currency, sum, sizeof sum);
    canvas_print(canvas, rect.x + 2, rect.y + 1, rect.w - 2, STYLE_TEXT,
                 "after %s %s went on to %.*s",
                 show_age(chain->out_at - chain->in_at, when, sizeof when), sum, (int)to.n, to.at);
    return 2;
}

int graph_draw(const struct msg_graph *graph, struct canvas *canvas, struct rect rect)
{
    const struct msg_graph_node *near[LIMIT_GRAPH_NODES_MAX];
    int                          count = 0;
    int                          y = rect.y;
    for (size_t i = 0; i < graph->chains.count; i++)
        y += draw_chain(graph, &graph->chains.at[i], canvas, (struct rect){ rect.x, y, rect.w, 2 });
    canvas_text(canvas, rect.x, y++, rect.w, STYLE_VALUE, node_name(graph, ROOT, true));
    for (size_t i = 0; i < graph->nodes.count; i++) {
        if (graph->nodes.at[i].level == 1)
            near[count++] = &graph->nodes.at[i];
    }
    for (int i = 0; i < count; i++) {
        draw_node(graph, near[i], ROOT, canvas, (struct rect){ rect.x, y++, rect.w, 1 },
                  i + 1 == count);
        y += draw_below(graph, near[i]->node, canvas, (struct rect){ rect.x, y, rect.w, rect.h },
                        i + 1 == count);
    }
    canvas_print(canvas, rect.x, y++, rect.w, STYLE_DIM,
                 "%" PRId64 " payments were looked at; %" PRId64 " others are left out",
                 graph->looked_at, graph->left_out);
    return y - rect.y;
}
