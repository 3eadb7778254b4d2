#include "ladder.h"

void ladder_init(struct ladder *ladder)
{
    *ladder = (struct ladder){.deadline = LADDER_NEVER, .kill_at = LADDER_NEVER};
}

void ladder_limit(struct ladder *ladder, int64_t deadline, uint64_t reason, int64_t grace)
{
    ladder->deadline = deadline;
    ladder->deadline_reason = reason;
    ladder->grace = grace;
}

void ladder_ask(struct ladder *ladder, uint64_t reason, int64_t grace, int64_t now)
{
    const int64_t kill_at = now + grace;
    if (ladder->state == LADDER_RUNNING) {
        ladder->state = LADDER_ASKED;
        ladder->reason = reason;
        ladder->kill_at = kill_at;
    } else if (kill_at < ladder->kill_at) {
        ladder->kill_at = kill_at;
    }
}

enum ladder_action ladder_step(struct ladder *ladder, int64_t now, int64_t paused)
{
    if (ladder->state == LADDER_RUNNING && ladder->deadline != LADDER_NEVER && now >= ladder->deadline + paused)
        ladder_ask(ladder, ladder->deadline_reason, ladder->grace, now);
    if (ladder->state == LADDER_RUNNING || ladder->state == LADDER_KILLED)
        return LADDER_WAIT;
    if (now >= ladder->kill_at) {
        ladder->state = LADDER_KILLED;
        return LADDER_KILL;
    }
    if (ladder->state == LADDER_ASKED) {
        ladder->state = LADDER_TERMINATED;
        return LADDER_TERM;
    }
    return LADDER_WAIT;
}

int64_t ladder_next(const struct ladder *ladder, int64_t paused)
{
    if (ladder->state == LADDER_RUNNING)
        return ladder->deadline == LADDER_NEVER ? LADDER_NEVER : ladder->deadline + paused;
    if (ladder->state == LADDER_ASKED)
        return 0;
    return ladder->state == LADDER_TERMINATED ? ladder->kill_at : LADDER_NEVER;
}
