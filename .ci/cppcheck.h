/* cppcheck.h - cppcheck reads no system headers: which of their macros are loops. */
#define TAILQ_FOREACH(v, head, field)               for ((v) = (head)->tqh_first; (v); (v) = (v)->field.tqe_next)
#define TAILQ_FOREACH_REVERSE(v, head, name, field) TAILQ_FOREACH(v, head, field)
#define STAILQ_FOREACH(v, head, field)              for ((v) = (head)->stqh_first; (v); (v) = (v)->field.stqe_next)
#define LIST_FOREACH(v, head, field)                for ((v) = (head)->lh_first; (v); (v) = (v)->field.le_next)
#define HASH_ITER(hh, head, e, next)                for ((e) = (head), (next) = (head); (e); (e) = (next))
