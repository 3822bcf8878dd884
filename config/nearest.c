#include "config/nearest.h"

#include <stdbool.h>
#include <string.h>

enum { WORD_MAX = 48 }; /* longer words are not slips of one another */

static unsigned least(unsigned a, unsigned b, unsigned c)
{
    unsigned m = a < b ? a : b;
    return m < c ? m : c;
}

static char folded(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (char)(c - 'A' + 'a');
    return c == '-' ? '_' : c; /* keep-alive and keep_alive are one slip of style */
}

/* Insertions, deletions, replacements and swaps of neighbours (optimal string alignment). */
static unsigned distance(const char *a, size_t na, const char *b, size_t nb)
{
    unsigned rows[3][WORD_MAX + 1];
    unsigned *before = rows[0];
    unsigned *last = rows[1];
    unsigned *now = rows[2];
    for (size_t j = 0; j <= nb; j++)
        before[j] = last[j] = (unsigned)j;
    for (size_t i = 1; i <= na; i++) {
        now[0] = (unsigned)i;
        for (size_t j = 1; j <= nb; j++) {
            char x = folded(a[i - 1]);
            char y = folded(b[j - 1]);
            now[j] = least(last[j] + 1, now[j - 1] + 1, last[j - 1] + (x != y));
            if (i > 1 && j > 1 && x == folded(b[j - 2]) && folded(a[i - 2]) == y &&
                before[j - 2] + 1 < now[j])
                now[j] = before[j - 2] + 1;
        }
        unsigned *spare = before;
        before = last;
        last = now;
        now = spare;
    }
    return last[nb];
}

/* "warning" for "warn", "host" for "host_keys": cut short or drawn out. */
static bool extends(const char *a, size_t na, const char *b, size_t nb)
{
    enum { STEM_MIN = 4 };
    size_t shorter = na < nb ? na : nb;
    for (size_t i = 0; i < shorter; i++)
        if (folded(a[i]) != folded(b[i]))
            return false;
    return shorter >= STEM_MIN;
}

struct nearest nearest_to(const char *word)
{
    return (struct nearest){.word = word};
}

void nearest_try(struct nearest *n, const char *known)
{
    size_t nw = strlen(n->word);
    size_t nk = strlen(known);
    if (nw > WORD_MAX || nk > WORD_MAX)
        return;
    unsigned d = distance(n->word, nw, known, nk);
    size_t longer = nw > nk ? nw : nk;
    bool is_slip = d * 3 <= longer + 1; /* more than about a third is another word */
    if (!is_slip && !extends(n->word, nw, known, nk))
        return;
    if (n->best == NULL || d < n->distance) {
        n->best = known;
        n->distance = d;
    }
}

const char *nearest_word(const struct nearest *n)
{
    return n->best;
}
