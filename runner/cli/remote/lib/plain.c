#include "plain.h"

#include "escape.h"

#include <locale.h>
#include <string.h>
#include <wchar.h>
#include <wctype.h>

/* Marks that change the direction of what follows, and so what a line seems to say. */
static bool turns(wchar_t c)
{
    return (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0x200e || c == 0x200f;
}

/* The next character: its bytes in *size, as it is shown in shown, and the columns of that. */
static size_t next_shown(const char *data, size_t *size, char shown[8])
{
    mbstate_t state = {0};
    wchar_t character;
    const size_t used = mbrtowc(&character, data, *size, &state);
    if (used > 0 && used <= *size && iswprint((wint_t)character) && !turns(character)) {
        const int width = wcwidth(character);
        memcpy(shown, data, used);
        shown[used] = '\0';
        *size = used;
        return width > 0 ? (size_t)width : 0;
    }
    *size = 1;
    return escape_byte(*data, shown);
}

size_t plain_put(struct text *text, const char *data, size_t size, size_t most)
{
    static bool is_set;
    size_t columns = 0, kept_columns = 0, kept = text->size;
    if (!is_set)
        setlocale(LC_CTYPE, "C.UTF-8"); /* whatever the user's is: so that what is not printable is known */
    is_set = true;
    while (size > 0) {
        char shown[8];
        size_t used = size;
        const size_t width = next_shown(data, &used, shown);
        if (columns + width > most) { /* back to where the dots have room */
            text->size = text->failed ? text->size : kept;
            text_put(text, "...", most < 3 ? most : 3);
            return kept_columns + (most < 3 ? most : 3);
        }
        text_puts(text, shown);
        columns += width;
        if (columns + 3 <= most) {
            kept = text->size;
            kept_columns = columns;
        }
        data += used;
        size -= used;
    }
    return columns;
}

size_t plain_put_field(struct text *text, const msgpack_object *map, const char *name, size_t most)
{
    const msgpack_object_str value = pool_field_str(map, name);
    return plain_put(text, value.ptr, value.size, most);
}
