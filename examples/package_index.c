/* SPDX-License-Identifier: MIT
 *
 * package_index.c - reads a Debian package index in three steps: records, sorted and unique; edges; lists of
 * dependents.
 *
 * An index is records separated by empty lines; a record is "Name: value" lines; a line that begins with a space or a
 * tab belongs to the field before it. See deb-control(5).
 */
#include "package_index.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct parser {
    struct package_index *index;
    size_t capacity;
    size_t line;
    struct package record; /* the one being read */
    bool in_record;
    struct text *field;  /* extended by continuation lines; NULL: the field is ignored */
    const char *problem; /* of the line */
};

/* ---- text ------------------------------------------------------------------------------------------------------ */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static struct text text_trim(struct text text)
{
    while (text.size > 0 && is_blank(text.data[0])) {
        text.data++;
        text.size--;
    }
    while (text.size > 0 && is_blank(text.data[text.size - 1]))
        text.size--;
    return text;
}

static int text_compare(struct text a, struct text b)
{
    int order = memcmp(a.data, b.data, a.size < b.size ? a.size : b.size);
    return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}

/* Cuts the text before the separator off the front of rest. */
static struct text text_cut(struct text *rest, char separator)
{
    const char *end = memchr(rest->data, separator, rest->size);
    const struct text head = {rest->data, end != NULL ? (size_t)(end - rest->data) : rest->size};
    const size_t used = end != NULL ? head.size + 1 : head.size;
    rest->data += used;
    rest->size -= used;
    return head;
}

/* Only printable ASCII, because names are printed on a terminal later. */
static bool is_name(struct text name)
{
    for (size_t i = 0; i < name.size; i++)
        if (!isgraph((unsigned char)name.data[i]))
            return false;
    return name.size > 0;
}

/* ---- records --------------------------------------------------------------------------------------------------- */

static int record_add(struct parser *parser)
{
    struct package_index *index = parser->index;
    if (index->count == parser->capacity) {
        size_t capacity = parser->capacity > 0 ? 2 * parser->capacity : 1024;
        struct package *packages = realloc(index->packages, capacity * sizeof *packages);
        if (packages == NULL)
            return -ENOMEM;
        index->packages = packages;
        parser->capacity = capacity;
    }
    index->packages[index->count++] = parser->record;
    return 0;
}

static int record_end(struct parser *parser)
{
    if (!parser->in_record)
        return 0;
    parser->in_record = false;
    if (parser->record.name.data == NULL) {
        parser->line = parser->record.line;
        parser->problem = "a record without a Package field begins here";
        return -EINVAL;
    }
    if (parser->index->count == PACKAGES_MAX) {
        parser->problem = "more packages than this program is made for";
        return -EINVAL;
    }
    return record_add(parser);
}

static struct text *field_of(struct package *record, struct text name)
{
    static const char *const names[] = {"Package", "Depends", "Pre-Depends"};
    struct text *const fields[] = {&record->name, &record->depends, &record->pre_depends};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (name.size == strlen(names[i]) && memcmp(name.data, names[i], name.size) == 0)
            return fields[i];
    return NULL;
}

static int field_begin(struct parser *parser, struct text line)
{
    struct text value = line;
    struct text name = text_cut(&value, ':');
    if (name.size == line.size) {
        parser->problem = "neither a field, nor a continuation, nor empty";
        return -EINVAL;
    }
    parser->field = field_of(&parser->record, name);
    if (parser->field == NULL)
        return 0;
    if (parser->field->data != NULL) {
        parser->problem = "the record has this field already: is an empty line missing?";
        return -EINVAL;
    }
    *parser->field = text_trim(value);
    if (parser->field == &parser->record.name && !is_name(parser->record.name)) {
        parser->problem = "not a package name";
        return -EINVAL;
    }
    return 0;
}

static int field_continue(struct parser *parser, struct text line)
{
    if (!parser->in_record || parser->field == &parser->record.name) {
        parser->problem = "a continuation line that continues nothing";
        return -EINVAL;
    }
    if (parser->field != NULL)
        parser->field->size = (size_t)(line.data + line.size - parser->field->data);
    return 0;
}

static int parse_line(struct parser *parser, struct text line)
{
    if (line.size > 0 && line.data[line.size - 1] == '\r')
        line.size--;
    if (line.size == 0)
        return record_end(parser);
    if (line.data[0] == ' ' || line.data[0] == '\t')
        return field_continue(parser, line);
    if (!parser->in_record) {
        parser->record = (struct package){.line = parser->line};
        parser->in_record = true;
    }
    return field_begin(parser, line);
}

static int package_compare(const void *a, const void *b)
{
    const struct package *x = a, *y = b;
    int order = text_compare(x->name, y->name);
    return order != 0 ? order : (x->line > y->line) - (x->line < y->line);
}

/* Of records with the same name the first in the index counts. */
static void index_sort(struct package_index *index)
{
    uint32_t kept = 0;
    qsort(index->packages, index->count, sizeof *index->packages, package_compare);
    for (uint32_t i = 0; i < index->count; i++)
        if (kept == 0 || text_compare(index->packages[kept - 1].name, index->packages[i].name) != 0)
            index->packages[kept++] = index->packages[i];
    index->count = kept;
}

int package_index_parse(const char *text, size_t size, struct package_index *index, struct index_error *error)
{
    struct parser parser = {.index = index};
    struct text rest = {text, size};
    int status = 0;

    *index = (struct package_index){0};
    *error = (struct index_error){0};
    while (rest.size > 0 && status == 0) {
        parser.line++;
        status = parse_line(&parser, text_cut(&rest, '\n'));
    }
    if (status == 0)
        status = record_end(&parser);
    if (status == 0 && index->count == 0) {
        parser.line = 1;
        parser.problem = "no package from here to the end";
        status = -EINVAL;
    }
    if (status < 0) {
        *error = (struct index_error){parser.line, parser.problem};
        return status;
    }
    index_sort(index);
    return 0;
}

uint32_t package_index_find(const struct package_index *index, struct text name)
{
    uint32_t low = 0, high = index->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = text_compare(name, index->packages[middle].name);
        if (order == 0)
            return middle;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return PACKAGE_NONE;
}

/* ---- edges ----------------------------------------------------------------------------------------------------- */

struct edge {
    uint32_t from, to; /* from depends on to */
};

/* "libc6:amd64 (>= 2.36) | libc6-udeb" is "libc6": the first alternative, without its architecture and version. */
static struct text entry_name(struct text entry)
{
    struct text name = text_trim(entry);
    size_t end = 0;
    while (end < name.size && !is_blank(name.data[end]) && memchr(":(|[<", name.data[end], 5) == NULL)
        end++;
    return (struct text){name.data, end};
}

static size_t count_entries(struct text field)
{
    size_t entries = 0;
    for (; field.size > 0; entries++)
        text_cut(&field, ',');
    return entries;
}

/* Writes the edges of one field and returns how many: one for each entry whose package is in the index. */
static size_t write_edges(const struct package_index *index, uint32_t from, struct text field, struct edge *edges)
{
    size_t count = 0;
    while (field.size > 0) {
        uint32_t to = package_index_find(index, entry_name(text_cut(&field, ',')));
        if (to != PACKAGE_NONE)
            edges[count++] = (struct edge){from, to};
    }
    return count;
}

/* A counting sort of the edges by their target: first[p] is first the number of p's edges, then their end, at last
 * their beginning. */
static void graph_fill(struct package_graph *dependents, const struct edge *edges, size_t count)
{
    size_t *first = dependents->first;
    for (size_t i = 0; i < count; i++)
        first[edges[i].to]++;
    for (uint32_t p = 1; p < dependents->count; p++)
        first[p] += first[p - 1];
    for (size_t i = 0; i < count; i++)
        dependents->targets[--first[edges[i].to]] = edges[i].from;
    first[dependents->count] = count;
}

int package_graph_build(const struct package_index *index, struct package_graph *dependents)
{
    size_t room = 1, count = 0;
    for (uint32_t p = 0; p < index->count; p++)
        room += count_entries(index->packages[p].depends) + count_entries(index->packages[p].pre_depends);
    struct edge *edges = malloc(room * sizeof *edges);
    *dependents = (struct package_graph){
        .count = index->count,
        .first = calloc((size_t)index->count + 1, sizeof *dependents->first),
        .targets = malloc(room * sizeof *dependents->targets),
    };
    if (edges == NULL || dependents->first == NULL || dependents->targets == NULL)
        return -ENOMEM;
    for (uint32_t p = 0; p < index->count; p++) {
        count += write_edges(index, p, index->packages[p].depends, edges + count);
        count += write_edges(index, p, index->packages[p].pre_depends, edges + count);
    }
    graph_fill(dependents, edges, count);
    return 0;
}
