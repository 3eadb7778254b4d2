/* suggest.h - "did you mean": the known word that is nearest to an unknown one. Pure. */
#ifndef SUGGEST_H
#define SUGGEST_H

/* NULL: no word is near. A NULL ends `words`. */
const char *suggest_word(const char *word, const char *const *words);

#endif
