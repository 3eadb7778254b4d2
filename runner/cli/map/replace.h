/* replace.h - GNU parallel's replacement strings: {} {.} {/} {//} {/.} {#} {%}, and {N} {N.} {N/} {N//} {N/.} for the
 * Nth input (-1: the last; 0: all, as {}). What parallel knows with --plus only is text, as there. Pure. */
#ifndef REPLACE_H
#define REPLACE_H

#include "text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The inputs of one job. */
struct replace_input {
    const char *const *values;
    size_t count;
    uint64_t seq;    /* {#} */
    uint32_t slot;   /* {%} */
    bool unnumbered; /* {#} and {%} stay as they are: what remains is the same whenever and wherever it runs */
};

/* Strings that GNU parallel would replace, and reclaim does not. */
enum replace_problem {
    REPLACE_FINE = 0,
    REPLACE_MISSING,   /* {3}, and there is no third input */
    REPLACE_NUMBERED,  /* {1#}, {0%} */
    REPLACE_EXPRESSION /* {= Perl =}, perhaps across several words */
};

/* What a command asks for. */
struct replace_use {
    bool any;                     /* a replacement string is in it */
    bool shows_inputs;            /* the finished command shows all inputs whole; {/} alone does not */
    enum replace_problem problem; /* the first that there is, */
    const char *problem_at;       /* where, into a word, */
    size_t problem_size;          /* and of how many bytes; not set for an expression */
};

/* Looks through a command (words end in NULL) for so many inputs. */
void replace_inspect(const char *const *words, size_t inputs, struct replace_use *use);

/* The words with their inputs, each ended by a NUL, appended to `text`; their number is returned. A word that is {} (or
 * {.} ...) and nothing else becomes a word for each input. Without any, the inputs follow at the end. */
size_t replace_words(const char *const *words, bool any, const struct replace_input *input, struct text *text);

/* One line for sh, made of the words as they are and of quoted inputs. */
void replace_line(const char *const *words, bool any, const struct replace_input *input, struct text *text);

#endif
