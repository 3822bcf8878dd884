/*
 * Whether a verifier is worth asking: after so many faults in a row it is left alone for a while,
 * then one login tries it again. One for all loops of the process. Any thread. Times in ms of
 * loop_now_ms().
 */
#ifndef AUTH_BREAKER_H
#define AUTH_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

struct breaker;

struct breaker_conf {
    uint32_t faults;  /* in a row until it is left alone; 0 = never */
    uint32_t pause_s; /* for so long */
};

/* Since the start; gauges and counters of a metric. */
struct breaker_counts {
    uint64_t asked;   /* questions that went out, repetitions included */
    uint64_t faults;  /* of these: nobody answered */
    uint64_t opened;  /* how often it was given up */
    uint64_t refused; /* questions that were not asked because of it */
    bool open;        /* now */
};

/* How a question may be asked, and what must be given back with its end. */
enum breaker_leave {
    BREAKER_REFUSED, /* not now; there is nothing to give back */
    BREAKER_ASK,
    BREAKER_TRIAL, /* the one question that finds out whether it is back */
};

/* The breaker of this key (an address that is one verifier's in every loop), or a new one.
 * Copies name (for the log) and conf. */
struct breaker *breaker_ref(const void *key, const char *name, const struct breaker_conf *conf);
void breaker_unref(struct breaker **bp);

enum breaker_leave breaker_ask(struct breaker *b, uint64_t now_ms);
/* The end of a question: it was answered, whatever the answer; nobody answered; it was given up
 * by who asked, and says nothing. */
void breaker_answered(struct breaker *b, enum breaker_leave leave);
void breaker_failed(struct breaker *b, enum breaker_leave leave, uint64_t now_ms, const char *why);
void breaker_dropped(struct breaker *b, enum breaker_leave leave);

struct breaker_counts breaker_counts(struct breaker *b);

#endif
