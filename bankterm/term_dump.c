/* The back end of the tests: cells become UTF-8 text. It draws what the real one draws, so a screen
 * can be compared with a file, and a file can be read by a person. */
#include "bankterm/term_dump.h"

#include "bankterm/keys.h"

enum err term_dump(const struct canvas *canvas, struct buf *out)
{
    for (int y = 0; y < canvas->height; y++) {
        const struct cell *row = &canvas->cells[(size_t)y * (size_t)canvas->width];
        int                end = canvas->width;
        while (end > 0 && row[end - 1].code == ' ')
            end--;
        for (int x = 0; x < end; x++) {
            char bytes[4];
            if (row[x].code != 0)
                TRY(buf_add(out, bytes, key_utf8(row[x].code, bytes)));
            for (int i = 0; i < CELL_MARKS_MAX && row[x].marks[i] != 0; i++)
                TRY(buf_add(out, bytes, key_utf8(row[x].marks[i], bytes)));
        }
        TRY(buf_add(out, "\n", 1));
    }
    if (canvas->cursor_x < 0)
        return buf_print(out, "cursor none\n");
    return buf_print(out, "cursor %d,%d\n", canvas->cursor_x, canvas->cursor_y);
}
