/* suggest.h - "did you mean": the known word that is nearest to one that is not. Pure. */
#ifndef SUGGEST_H
#define SUGGEST_H

/* NULL: none is near. words ends in NULL. */
const char *suggest_word(const char *word, const char *const *words);

#endif
