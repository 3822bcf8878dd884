#include "gateway/io/core.h"

#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SLICE_NS       100000u
#define YIELD_AFTER_NS 50000u
#define OF_LATE_NS     10000000u
#define PLACES         16u

#define RESET_ON_FORK 1u /* SCHED_FLAG_RESET_ON_FORK of linux/sched.h */

/* When the loop of each place was last seen to wait or to give way. */
static _Atomic uint64_t active_ns[PLACES];
static _Atomic unsigned places;

/* struct sched_attr of sched_setattr(2); glibc has it from 2.41 on. */
struct attributes {
    uint32_t size;
    uint32_t policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
};

void core_short_slices(void)
{
    struct attributes a = {.size = sizeof a};
    if (syscall(SYS_sched_getattr, 0, &a, sizeof a, 0u) != 0 || a.policy != 0)
        return; /* SCHED_OTHER only: an operator who chose another one knows why */
    a.size = sizeof a;
    a.flags = a.nice < 0 ? 0 : RESET_ON_FORK;
    a.runtime = SLICE_NS;
    a.deadline = a.period = 0;
    (void)syscall(SYS_sched_setattr, 0, &a, 0u);
}

void core_place_take(struct core_place *p)
{
    p->at = atomic_fetch_add(&places, 1) % PLACES;
    p->busy_from_ns = 0;
}

static bool another_is_active(const struct core_place *p, uint64_t now_ns)
{
    for (unsigned i = 0; i < PLACES; i++) {
        uint64_t seen_ns = atomic_load_explicit(&active_ns[i], memory_order_relaxed);
        if (i != p->at && seen_ns != 0 && (int64_t)(now_ns - seen_ns) < (int64_t)OF_LATE_NS)
            return true;
    }
    return false;
}

bool core_gives_way(struct core_place *p, uint64_t now_ns, bool waited)
{
    if (!waited && now_ns - p->busy_from_ns < YIELD_AFTER_NS)
        return false;
    p->busy_from_ns = now_ns;
    atomic_store_explicit(&active_ns[p->at], now_ns, memory_order_relaxed);
    return !waited && another_is_active(p, now_ns);
}
