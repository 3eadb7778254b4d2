#include "replace.h"

#include "quote.h"

#include <string.h>

#define POSITION_MOST 100000

enum operation { WHOLE, NO_EXTENSION, BASE, DIRECTORY, BASE_NO_EXTENSION, SEQ, SLOT };

struct piece {
    enum operation operation;
    int position;  /* 0: all inputs */
    bool numbered; /* a number stands in it, be it 0 */
    size_t size;   /* of the replacement string itself */
};

struct slice {
    const char *data;
    size_t size;
};

static const struct {
    const char *text;
    enum operation operation;
} operations[] = {{"}", WHOLE}, {".}", NO_EXTENSION}, {"/}", BASE}, {"//}", DIRECTORY}, {"/.}", BASE_NO_EXTENSION},
                  {"#}", SEQ},  {"%}", SLOT}};

/* Whether a replacement string starts here. */
static bool parse(const char *at, struct piece *piece)
{
    const char *next = at;
    int position = 0, sign = 1;
    if (*next++ != '{')
        return false;
    if (*next == '-') {
        sign = -1;
        next++;
    }
    const char *digits = next;
    for (; *next >= '0' && *next <= '9' && position < POSITION_MOST; next++)
        position = position * 10 + (*next - '0');
    const bool numbered = next > digits;
    if (sign < 0 && position == 0)
        return false;
    for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++) {
        const size_t size = strlen(operations[i].text);
        if (strncmp(next, operations[i].text, size) != 0)
            continue;
        *piece = (struct piece){operations[i].operation, sign * position, numbered, (size_t)(next - at) + size};
        return true;
    }
    return false;
}

/* ---- parts of a path --------------------------------------------------------------------------------------------- */

static struct slice base_of(struct slice value)
{
    const char *slash = memrchr(value.data, '/', value.size);
    if (slash == NULL)
        return value;
    return (struct slice){slash + 1, value.size - (size_t)(slash + 1 - value.data)};
}

static struct slice without_extension(struct slice value)
{
    const char *dot = memrchr(value.data, '.', value.size);
    if (dot != NULL && memchr(dot, '/', value.size - (size_t)(dot - value.data)) == NULL)
        value.size = (size_t)(dot - value.data);
    return value;
}

static struct slice without_slashes(struct slice value)
{
    while (value.size > 1 && value.data[value.size - 1] == '/')
        value.size--;
    return value;
}

/* As dirname(1). */
static struct slice directory_of(struct slice value)
{
    value = without_slashes(value);
    const char *slash = memrchr(value.data, '/', value.size);
    if (slash == NULL)
        return (struct slice){".", 1};
    value.size = (size_t)(slash - value.data);
    return value.size == 0 ? (struct slice){"/", 1} : without_slashes(value);
}

static struct slice apply(enum operation operation, const char *value)
{
    const struct slice whole = {value, strlen(value)};
    switch (operation) {
    case NO_EXTENSION:
        return without_extension(whole);
    case BASE:
        return base_of(whole);
    case DIRECTORY:
        return directory_of(whole);
    case BASE_NO_EXTENSION:
        return without_extension(base_of(whole));
    default:
        return whole;
    }
}

/* ---- putting them in --------------------------------------------------------------------------------------------- */

typedef void (*put_fn)(struct text *text, const char *data, size_t size);

/* The index of an input, or `count`: there is none of that position. */
static size_t index_of(int position, size_t count)
{
    const size_t away = (size_t)(position < 0 ? -position : position);
    if (away > count)
        return count;
    return position < 0 ? count - away : away - 1;
}

static void put_value(const struct piece *piece, const char *value, put_fn put, struct text *text)
{
    const struct slice slice = apply(piece->operation, value);
    put(text, slice.data, slice.size);
}

static void put_piece(const char *at, const struct piece *piece, const struct replace_input *input, put_fn put,
                      struct text *text)
{
    if (piece->operation >= SEQ && input->unnumbered)
        text_put(text, at, piece->size);
    else if (piece->operation == SEQ)
        text_printf(text, "%llu", (unsigned long long)input->seq);
    else if (piece->operation == SLOT)
        text_printf(text, "%u", input->slot);
    else if (piece->position != 0) {
        const size_t index = index_of(piece->position, input->count);
        if (index < input->count)
            put_value(piece, input->values[index], put, text);
    } else {
        for (size_t i = 0; i < input->count; i++) {
            if (i > 0)
                text_puts(text, " ");
            put_value(piece, input->values[i], put, text);
        }
    }
}

static void put_word(const char *word, const struct replace_input *input, put_fn put, struct text *text)
{
    struct piece piece;
    for (const char *at = word; *at != '\0';) {
        if (parse(at, &piece)) {
            put_piece(at, &piece, input, put, text);
            at += piece.size;
        } else {
            const size_t size = 1 + strcspn(at + 1, "{");
            text_put(text, at, size);
            at += size;
        }
    }
}

/* Whether the words show an input whole; if there are several inputs, in a word of its own. */
static bool shows_input(const char *const *words, size_t inputs, size_t index)
{
    struct piece piece;
    for (; *words != NULL; words++)
        for (const char *at = strchr(*words, '{'); at != NULL; at = strchr(at + 1, '{'))
            if (parse(at, &piece) && piece.operation == WHOLE &&
                (piece.position == 0 || index_of(piece.position, inputs) == index) &&
                (inputs == 1 || (at == *words && at[piece.size] == '\0')))
                return true;
    return false;
}

/* Whether {= stands in them and =} behind it. */
static bool has_expression(const char *const *words)
{
    bool open = false;
    for (; *words != NULL; words++) {
        const char *start = open ? *words : strstr(*words, "{=");
        if (start != NULL && strstr(open ? start : start + 2, "=}") != NULL)
            return true;
        open = open || start != NULL;
    }
    return false;
}

static enum replace_problem problem_of(const struct piece *piece, size_t inputs)
{
    if (piece->operation >= SEQ)
        return piece->numbered ? REPLACE_NUMBERED : REPLACE_FINE;
    return piece->position != 0 && index_of(piece->position, inputs) == inputs ? REPLACE_MISSING : REPLACE_FINE;
}

void replace_inspect(const char *const *words, size_t inputs, struct replace_use *use)
{
    struct piece piece;
    *use = (struct replace_use){.shows_inputs = true};
    for (size_t i = 0; use->shows_inputs && i < inputs; i++)
        use->shows_inputs = shows_input(words, inputs, i);
    if (has_expression(words))
        use->problem = REPLACE_EXPRESSION;
    for (; *words != NULL; words++)
        for (const char *at = strchr(*words, '{'); at != NULL; at = strchr(at + 1, '{')) {
            if (!parse(at, &piece))
                continue;
            use->any = true;
            if (use->problem != REPLACE_FINE)
                continue;
            use->problem = problem_of(&piece, inputs);
            use->problem_at = at;
            use->problem_size = piece.size;
        }
    use->shows_inputs = use->shows_inputs || !use->any; /* they follow at the end */
}

static size_t put_each(const struct piece *piece, const struct replace_input *input, struct text *text)
{
    for (size_t i = 0; i < input->count; i++) {
        put_value(piece, input->values[i], text_put, text);
        text_put(text, "", 1);
    }
    return input->count;
}

size_t replace_words(const char *const *words, bool any, const struct replace_input *input, struct text *text)
{
    size_t count = 0;
    struct piece piece;
    for (; *words != NULL; words++) {
        if (parse(*words, &piece) && (*words)[piece.size] == '\0' && piece.position == 0 && piece.operation < SEQ) {
            count += put_each(&piece, input, text);
            continue;
        }
        put_word(*words, input, text_put, text);
        text_put(text, "", 1);
        count++;
    }
    return any ? count : count + put_each(&(struct piece){.operation = WHOLE}, input, text);
}

void replace_line(const char *const *words, bool any, const struct replace_input *input, struct text *text)
{
    for (size_t i = 0; words[i] != NULL; i++) {
        if (i > 0)
            text_puts(text, " ");
        put_word(words[i], input, quote_shell, text);
    }
    if (!any) {
        text_puts(text, " ");
        put_word("{}", input, quote_shell, text);
    }
}
